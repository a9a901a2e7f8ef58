"""The exported page compared with BertViz's `head_view(html_action="return")`: size, time to build, time to open.

Same model, same text, same attention, in one run. attnscope's page contains all three views, BertViz's one. BertViz's page for
512 tokens would have two gigabytes, so it is built from a few layers and its size and time are scaled up. Both pages are opened
from `file://`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from bertviz_page import BERTVIZ, Pages, pages_in
from chromium_page import UnfinishedError, Work, fresh_page
from playwright.sync_api import Playwright, sync_playwright

import attnscope

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import chromium

LAYERS = 30
SIZES = {128: LAYERS, 512: 3}  # tokens: number of layers in BertViz's page
OPENED = {"ours": 512, "theirs": 256}
OPENINGS = 3
LIMIT_SECONDS = 240.0
COMPLETE = f"[data-testid=model-grid][data-layers='{LAYERS}']"
DRAWN = "#vis svg"
STORY = (
    "The doctor asked the nurse a question about the patient because she had not seen the chart that morning. "
    "After the storm the harbour was quiet, and two old fishermen mended their nets while a dog slept in the sun. "
    "Nobody could say why the train was late again, but the people on the platform had learned to bring a book. "
)


def traced(model: attnscope.Model, tokens: int) -> attnscope.Trace:
    """A trace of a text with exactly `tokens` tokens."""
    tokenizer = model.tokenizer
    assert tokenizer is not None
    text: str = tokenizer.decode(tokenizer(STORY * (1 + tokens // 40))["input_ids"][:tokens])
    trace = model.trace(text)
    assert len(trace.tokens) == tokens
    return trace


def timed(build: Callable[[], Path]) -> tuple[Path, int, float]:
    """The file that `build` writes, its size in bytes, and the seconds it took."""
    start = time.perf_counter()
    path = build()
    return path, path.stat().st_size, time.perf_counter() - start


def building(model: attnscope.Model, pages: Pages | None, folder: Path, tokens: int) -> None:
    """Compare the size of both pages and the time to build them."""
    trace = traced(model, tokens)
    _, size, seconds = timed(lambda: attnscope.export(trace, folder / f"ours-{tokens}.html"))
    print(f"\n{tokens} tokens, {LAYERS} × 9 heads")
    print(f"  attnscope, all views: {size / 1e6:,.1f} MB in {seconds:.1f} s")
    if pages is None:
        return
    layers = SIZES[tokens]
    path, part, took = timed(lambda: pages.head_view_of(trace, range(layers)))
    path.unlink()
    times = LAYERS / layers
    how = "" if layers == LAYERS else f" (extrapolated: {layers} layers × {times:.0f})"
    print(f"  BertViz, head view: {times * part / 1e6:,.1f} MB in {times * took:.1f} s{how}")
    print(f"  ratio: {times * part / size:.1f}× the bytes, {times * took / seconds:.1f}× the time")


def opening(playwright: Playwright, program: str, path: Path, ready: str) -> Work | None:
    """The work of opening a file until its view is drawn and the page is idle; None if that did not happen."""
    try:
        with fresh_page(playwright, program, LIMIT_SECONDS) as page:
            return page.open(path.as_uri(), ready)
    except UnfinishedError as error:
        print(f"  {path.name} ({path.stat().st_size / 1e6:,.0f} MB): {error}")
        return None


def openings(playwright: Playwright, program: str, model: attnscope.Model, pages: Pages | None, folder: Path) -> None:
    """Compare the main-thread work of opening attnscope's page at 512 tokens and BertViz's at 256."""
    print("\nOpening from file://: CPU seconds of the main thread until everything is drawn and the page is idle")
    ours = attnscope.export(traced(model, OPENED["ours"]), folder / "ours.html", layer=5)
    works = [opening(playwright, program, ours, COMPLETE) for _ in range(OPENINGS)]
    mine = sorted(work.task for work in works if work is not None)
    print(
        f"  attnscope, {OPENED['ours']} tokens, all views: {mine[len(mine) // 2]:.2f} s ({mine[0]:.2f}–{mine[-1]:.2f})"
    )
    if pages is None:
        return
    theirs = pages.head_view_of(traced(model, OPENED["theirs"]), range(LAYERS))
    work = opening(playwright, program, theirs, DRAWN)
    if work is not None:
        ratio = work.task / mine[len(mine) // 2]
        print(f"  BertViz, {OPENED['theirs']} tokens, head view: {work.task:.2f} s; {ratio:.1f}×")


def main() -> int:
    torch.set_num_threads(1)
    program = chromium.find()
    if program is None:
        print(chromium.ADVICE, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pages = pages_in(folder)
        model = attnscope.load("smollm2")
        print(f"SmolLM2-135M as one HTML file, attnscope and {BERTVIZ}, one thread.")
        for tokens in SIZES:
            building(model, pages, folder, tokens)
        openings(stack.enter_context(sync_playwright()), program, model, pages, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
