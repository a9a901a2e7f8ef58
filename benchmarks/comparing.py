"""What a change costs: the edited pass beside an unedited one, and main-thread work in Chromium until it is on the page.

Also: switching what is shown at 512 tokens, and hovering while a baseline is held.
"""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import torch
from chromium_page import MeteredPage, Work, fresh_page
from painting import IN_SIGHT, LAYERS, STORY, demo
from pairs import PAIRS, interleaved
from playwright.sync_api import sync_playwright

import attnscope
from attnscope import edits
from attnscope.session import Session
from attnscope.session.model_catalog import ModelEntry
from attnscope.wire import Message, decode

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import chromium

TEXT = "When Mary and John went to the store, John gave a drink to"
LONG = 512
LIMIT_SECONDS = 240.0
OFF = edits.ScaleHead(23, 3, 0.0)
COMPLETE = f"[data-testid=model-grid][data-layers='{LAYERS}']"


def passes(model: attnscope.Model) -> None:
    """The answer to a `run` request with one edit, beside the answer without edits."""
    session = Session([ModelEntry.loaded(model)])

    def run(**body: object) -> str:
        found: list[Message] = []
        session.answer(Message("run", "1", body), lambda data: found.append(decode(data)))
        assert found[-1].type == "trace", found[-1].body
        return found[-1].body["trace"]

    trace = run(text=TEXT)
    tokens = len(model.trace(TEXT).tokens)
    ratio = interleaved(lambda: run(trace=trace, edits=[OFF.as_json()]), lambda: run(text=TEXT))
    print(f"\nA change, {tokens} tokens: run with one head off / run without edits  {ratio}")


def changes(page: MeteredPage) -> None:
    """Turn a head off and on again by its button."""
    off: list[Work] = []
    for at in range(2 * PAIRS):
        button = page.page.get_by_test_id("head-off")
        work = page.cost(button.click)
        if at % 2 == 0:
            off.append(work)
    print(f"main thread, turning a head off until everything is drawn          {milliseconds(off)}")


def fields(page: MeteredPage) -> None:
    """Switch between before, after and difference, all loaded."""
    switch = page.page.get_by_test_id("comparison").get_by_role("radio")
    for at in range(3):
        page.cost(switch.nth(at).click)
    for at, name in enumerate(("before", "after", "difference")):
        costs: list[Work] = []
        for _ in range(PAIRS):
            page.cost(switch.nth((at + 1) % 3).click)
            costs.append(page.cost(switch.nth(at).click))
        print(f"main thread, switching to {name:<12}                             {milliseconds(costs)}")


def hover(page: MeteredPage, what: str) -> None:
    """Move the pointer over the queries of the head view."""
    places = page.page.locator("[data-testid^=query-]").evaluate_all(IN_SIGHT)
    costs = page.sweep([(x, y) for _, x, y in places][:30])
    print(f"main thread, hovering a token, {what:<34}          {milliseconds(costs)}")


def milliseconds(costs: list[Work]) -> str:
    """Median and range."""
    tasks = sorted(1000 * one.task for one in costs)
    return f"{statistics.median(tasks):.1f} ms ({tasks[0]:.1f}–{tasks[-1]:.1f}, n = {len(tasks)})"


def open_page(page: MeteredPage, url: str, text: str) -> None:
    """Open the app at head 23.3 with a text."""
    page.open(f"{url}#model=smollm2&layer=23&heads=3&side=weights&text={quote(text)}", COMPLETE)


def main() -> int:
    torch.set_num_threads(1)
    program = chromium.find()
    if program is None:
        print(chromium.ADVICE, file=sys.stderr)
        return 1
    model = attnscope.load("smollm2")
    tokenizer = model.tokenizer
    assert tokenizer is not None
    long_text: str = tokenizer.decode(tokenizer(STORY * (1 + LONG // 40))["input_ids"][:LONG])
    passes(model)
    with ExitStack() as stack:
        url = stack.enter_context(demo())
        playwright = stack.enter_context(sync_playwright())
        with fresh_page(playwright, program, LIMIT_SECONDS) as page:
            open_page(page, url, TEXT)
            changes(page)
        with fresh_page(playwright, program, LIMIT_SECONDS) as page:
            print(f"\n{LONG} tokens")
            open_page(page, url, long_text)
            hover(page, "one pass")
            page.cost(page.page.get_by_test_id("head-off").click)
            hover(page, "after, with a baseline held")
            fields(page)
            hover(page, "difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
