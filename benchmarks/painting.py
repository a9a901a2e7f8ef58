"""Bytes and main-thread work in Chromium, compared with BertViz: the model view, zooming in it, hovering and scrolling in the
head view.

Same model, same text, same attention. attnscope's page is the app as users see it, with all views drawn. BertViz's pages contain
a single view. The arguments are token counts (default: 16, 128, 512 and 2048, which together take about 15 minutes).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import torch
from bertviz_page import BERTVIZ, Pages, pages_in, serving
from chromium_page import MeteredPage, UnfinishedError, Work, fresh_page
from painting_report import hover_row, paint_rows
from playwright.sync_api import Error, Locator, Playwright, sync_playwright

import attnscope

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import chromium

PAIRS = {16: 7, 128: 2, 512: 5}  # token count: repetitions; BertViz's page at 128 tokens takes a minute each time
BERTVIZ_MODEL_VIEW = (16, 128)
HOVERED = (128, 512)
HOVERS = 30
SELECTIONS = 12
SCROLLED = 2048
STEPS = 60
STEP_PIXELS = 240
FRAME_SECONDS = 1 / 30
ZOOMED = (512, 2048)
ZOOM_STEPS = 60
LAYER = 5
LAYERS = 30
LIMIT_SECONDS = 240.0
HOVER_SECONDS = 120.0
COMPLETE = f"[data-testid=model-grid][data-layers='{LAYERS}']"
DRAWN = "#vis svg"
STORY = (
    "The doctor asked the nurse a question about the patient because she had not seen the chart that morning. "
    "After the storm the harbour was quiet, and two old fishermen mended their nets while a dog slept in the sun. "
    "Nobody could say why the train was late again, but the people on the platform had learned to bring a book. "
)
# The tokens that the pointer can reach, as [token index, x, y] of their centers
IN_SIGHT = r"""elements => elements.flatMap((element, at) => {
  const box = element.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const hit = element.getRootNode().elementFromPoint(x, y);
  const whole = element instanceof SVGElement ? element.parentNode : element;
  const named = /-(\d+)$/.exec(element.dataset.testid ?? "");
  return hit !== null && whole.contains(hit) ? [[named === null ? at : Number(named[1]), x, y]] : [];
})"""


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: the model, Chromium, the running demo, and BertViz's pages if available."""

    model: attnscope.Model
    playwright: Playwright
    program: str
    demo: str
    bertviz: str
    pages: Pages | None

    def page(self) -> AbstractContextManager[MeteredPage]:
        """A page in a new Chromium process."""
        return fresh_page(self.playwright, self.program, LIMIT_SECONDS)

    def text(self, tokens: int) -> str:
        """A text with exactly `tokens` tokens."""
        tokenizer = self.model.tokenizer
        assert tokenizer is not None
        text: str = tokenizer.decode(tokenizer(STORY * (1 + tokens // 40))["input_ids"][:tokens])
        assert len(tokenizer(text)["input_ids"]) == tokens
        return text

    def trace(self, tokens: int) -> attnscope.Trace:
        """The trace of `text(tokens)`."""
        return self.model.trace(self.text(tokens))

    def open_ours(self, page: MeteredPage, tokens: int) -> Work:
        """Open the app with `text(tokens)` and wait for the complete model view."""
        return page.open(f"{self.demo}#model=smollm2&layer={LAYER}&text={quote(self.text(tokens))}", COMPLETE)

    def open_theirs(self, page: MeteredPage, file: Path) -> Work:
        """Open a page written by BertViz."""
        return page.open(f"{self.bertviz}/{file.name}", DRAWN)


def model_view(bench: Bench, tokens: int) -> None:
    """Measure the first paint of all heads, attnscope and BertViz in turn."""
    print(f"\nModel view, {tokens} tokens, until all {LAYERS} × 9 heads are painted and the page is idle")
    file = bench.pages.model_view(bench.trace(tokens)) if bench.pages and tokens in BERTVIZ_MODEL_VIEW else None
    ours: list[Work] = []
    theirs: list[Work] = []
    with bench.page() as page:
        bench.open_ours(page, tokens)  # not counted: the server loads the model here
    for _ in range(PAIRS[tokens]):
        with bench.page() as page:
            ours.append(bench.open_ours(page, tokens))
        if file:
            try:
                with bench.page() as page:
                    theirs.append(bench.open_theirs(page, file))
            except UnfinishedError as error:
                print(f"  BertViz did not finish: {error}")
                file = None
    print("\n".join(paint_rows(ours, theirs)))


def head_view(bench: Bench, tokens: int) -> None:
    """Measure hovering over the last tokens with all heads of one layer on; for the longest text also selecting a token."""
    print(f"\nHead view, {tokens} tokens, the 9 heads of layer {LAYER}")
    with ExitStack() as stack:
        ours = stack.enter_context(bench.page())
        bench.open_ours(ours, tokens)
        theirs = stack.enter_context(bench.page()) if bench.pages else None
        if theirs and bench.pages:
            file = bench.pages.head_view(bench.trace(tokens), LAYER)
            size = file.stat().st_size / 1e6
            print(
                f"  BertViz's page of this layer has {size:,.1f} MB; all {LAYERS} layers would have {LAYERS * size:,.0f} MB"
            )
            try:
                print(f"  and takes {bench.open_theirs(theirs, file).task:.1f} s of the main thread until it is idle")
            except UnfinishedError as error:
                print(f"  and did not finish: {error}")
                theirs = None
        try:
            hover(ours, theirs)
        except (UnfinishedError, Error) as error:
            if theirs is None:
                raise
            print(f"  hovering over BertViz's page did not finish: {error}")
            hover(ours, None)
        print(hover_row("no action (cost of sampling)", [ours.cost(lambda: None) for _ in range(5)], []))
        if tokens == max(HOVERED) and ours.page.get_by_test_id("neuron-view").is_visible():
            print(hover_row("neuron view, selecting another token", select(ours), []))


def scrolling(bench: Bench, tokens: int) -> None:
    """Measure scrolling in the head view with all heads of one layer on, one wheel step every 1/30 s."""
    print(f"\nHead view, {tokens} tokens, the 9 heads of layer {LAYER}")
    with bench.page() as page:
        bench.open_ours(page, tokens)
        page.page.get_by_test_id("query-0").hover()
        page.page.mouse.wheel(0, STEP_PIXELS)
        page.quiet()
        costs = page.repeat(lambda: page.page.mouse.wheel(0, STEP_PIXELS), STEPS, FRAME_SECONDS)
        print(hover_row(f"scrolling by {STEP_PIXELS} pixels", costs, []))


def zooming(bench: Bench, tokens: int) -> None:
    """Measure zooming in the model view, in to one head's matrix and out again, one wheel step every 1/30 s."""
    print(f"\nModel view, {tokens} tokens, {LAYERS} × 9 heads")
    with bench.page() as page:
        bench.open_ours(page, tokens)
        page.page.get_by_test_id("model-grid").hover()
        way = iter([-STEP_PIXELS] * (ZOOM_STEPS // 2) + [STEP_PIXELS] * (ZOOM_STEPS // 2))
        costs = page.repeat(lambda: page.page.mouse.wheel(0, next(way)), ZOOM_STEPS, FRAME_SECONDS)
        print(hover_row("zooming by one wheel step", costs, []))


def hover(ours: MeteredPage, theirs: MeteredPage | None) -> None:
    """Move the pointer from token to token: on both pages in turn, resting on each token; then on each page without resting."""
    places = [ours_in_sight(ours)]
    if theirs:
        places.append([spots(theirs, theirs.page.locator(f"#{side} .background")) for side in ("left", "right")])
    pages = [ours, theirs] if theirs else [ours]
    common = sorted(set.intersection(*(set(spot) for sides in places for spot in sides)))
    shuffled = random.Random(0).sample(common, len(common))
    order = [(shuffled[at % len(shuffled)], at % 2) for at in range(HOVERS + 1)]
    costs: tuple[list[Work], list[Work]] = ([], [])
    end = time.monotonic() + HOVER_SECONDS
    for token, side in order:
        for page, sides, cost in zip(pages, places, costs, strict=False):
            cost.append(point(page, *sides[side][token]))
        if time.monotonic() > end:
            print(f"  stopped after {HOVER_SECONDS:.0f} s and {len(costs[0]) - 1} of {HOVERS} hovers")
            break
    print(
        hover_row("a hover, until the page is idle", costs[0][1:], costs[1][1:])
    )  # the first starts outside the tokens
    count = len(costs[0])
    moving = [
        page.sweep(sides[side][token] for token, side in order[:count])[1:]
        for page, sides in zip(pages, places, strict=True)
    ]
    print(hover_row("a token passed by the moving pointer", moving[0], moving[1] if theirs else []))


def ours_in_sight(page: MeteredPage) -> list[dict[int, tuple[float, float]]]:
    return [spots(page, page.page.locator(f"[data-testid^={side}-][role=option]")) for side in ("query", "key")]


def point(page: MeteredPage, x: float, y: float) -> Work:
    return page.cost(lambda: page.page.mouse.move(x, y))


def select(page: MeteredPage) -> list[Work]:
    """Clicks one query token after another."""
    places = ours_in_sight(page)[0]
    chosen = random.Random(1).sample(sorted(places), min(SELECTIONS + 1, len(places)))
    return [page.cost(lambda at=places[token]: page.page.mouse.click(*at)) for token in chosen][1:]


def spots(page: MeteredPage, tokens: Locator) -> dict[int, tuple[float, float]]:
    """Pointer positions over the last tokens, by token index."""
    tokens.first.hover()
    page.page.mouse.wheel(0, 1_000_000)
    page.quiet()
    return {int(token): (x, y) for token, x, y in tokens.evaluate_all(IN_SIGHT)}


@contextmanager
def demo() -> Generator[str]:
    """Run `attnscope demo` as a separate process on one thread and yield its URL."""
    command = [str(Path(sys.executable).with_name("attnscope")), "demo", "--no-browser", "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout
        try:
            yield next(line.strip() for line in app.stdout if "?token=" in line)
        finally:
            app.terminate()


def main() -> int:
    torch.set_num_threads(1)
    program = chromium.find()
    if program is None:
        print(chromium.ADVICE, file=sys.stderr)
        return 1
    wanted = [int(argument) for argument in sys.argv[1:]] or [*PAIRS, SCROLLED]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pages = pages_in(folder)
        model = attnscope.load("smollm2")
        playwright = stack.enter_context(sync_playwright())
        addresses = stack.enter_context(demo()), stack.enter_context(serving(folder))
        bench = Bench(model, playwright, program, *addresses, pages)
        print(f"SmolLM2-135M in Chromium, 1400 × 900, attnscope and {BERTVIZ}. CPU time of the page's main thread:")
        print("median (spread). Ratios are BertViz / attnscope, pair by pair.")
        for tokens in [count for count in PAIRS if count in wanted]:
            model_view(bench, tokens)
        for tokens in [count for count in HOVERED if count in wanted]:
            head_view(bench, tokens)
        for tokens in [count for count in ZOOMED if count in wanted]:
            zooming(bench, tokens)
        if SCROLLED in wanted:
            scrolling(bench, SCROLLED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
