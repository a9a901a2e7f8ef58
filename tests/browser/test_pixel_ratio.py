"""The page on screens with any number of device pixels per CSS pixel: what is drawn is where the pointer finds it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
import pytest
from helpers.chromium_page import TIMEOUT_MS, watch_complaints
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

TEXT = "The doctor asked the nurse a question. She"
LAYERS = 30
ABOVE_ALL = (600, 2)
"""A place of the page with nothing under the pointer."""


class Box(NamedTuple):
    """A rectangle of the page, in CSS pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@pytest.fixture(scope="module", params=[1.0, 1.5, 2.0, 3.0])
def fine(request: pytest.FixtureRequest, browser: Browser, app_server: str) -> Iterator[Page]:
    """The app on a screen with some device pixels per CSS pixel, with all thumbnails loaded and head 2.7 selected."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": 1200, "height": 800}, device_scale_factor=request.param, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    watch_complaints(page, complaints)
    address = {"model": "smollm2", "text": TEXT, "theme": "light", "layer": "2", "heads": "7"}
    page.goto(f"{app_server}#{urlencode(address)}")
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", str(LAYERS))
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)


def pixels(page: Page) -> np.ndarray:
    """The page as it is on the screen, once it no longer changes: red, green and blue of each device pixel."""
    before = b""
    for _ in range(100):
        now = page.screenshot()
        if now == before:
            return np.asarray(Image.open(io.BytesIO(now)).convert("RGB")).astype(int)
        before = now
        page.wait_for_timeout(150)
    pytest.fail("The page was still changing after a long time.")


def ratio_of(page: Page) -> float:
    return page.evaluate("devicePixelRatio")


def color(page: Page, name: str) -> np.ndarray:
    """A theme color of the page."""
    value = page.locator(".app").evaluate("(app, name) => getComputedStyle(app).getPropertyValue(name).trim()", name)
    digits = value.removeprefix("#")
    return np.array(
        list(bytes.fromhex(digits if len(digits) == 6 else "".join(2 * digit for digit in digits))), dtype=int
    )


def box_of(place: Locator) -> Box:
    box = place.bounding_box()
    assert box
    return Box(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])


def box_around(mask: np.ndarray, within: Box, ratio: float) -> Box:
    """The smallest rectangle around the marked pixels of an area."""
    left, top = round(within.left * ratio), round(within.top * ratio)
    part = mask[top : round(within.bottom * ratio), left : round(within.right * ratio)]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    assert len(rows) and len(columns), "nothing is drawn there"
    return Box(
        (left + columns[0]) / ratio,
        (top + rows[0]) / ratio,
        (left + columns[-1] + 1) / ratio,
        (top + rows[-1] + 1) / ratio,
    )


def like(screen: np.ndarray, wanted: np.ndarray, within: int) -> np.ndarray:
    return np.abs(screen - wanted).max(axis=-1) <= within


def changed(screen: np.ndarray, other: np.ndarray, by: int) -> np.ndarray:
    return np.abs(screen - other).max(axis=-1) > by


def points_inside(box: Box, margin: float) -> Iterator[tuple[float, float]]:
    left, right = box.left + margin, box.right - margin
    top, bottom = box.top + margin, box.bottom - margin
    yield from (box.middle, (left, top), (right, top), (left, bottom), (right, bottom))


def test_numbers_ring_and_pointer_agree_on_the_selected_head(fine: Page):
    ratio = ratio_of(fine)
    stage, readout = box_of(fine.get_by_test_id("model-grid")), fine.get_by_test_id("readout")
    fine.mouse.move(*ABOVE_ALL)
    before = pixels(fine)
    fine.get_by_test_id("layer").select_option("14")
    fine.get_by_test_id("head-3").dblclick()
    expect(fine).to_have_url(re.compile("layer=14&heads=3(&|$)"))
    fine.mouse.move(*ABOVE_ALL)
    selected = pixels(fine)
    # Only the ring and the bold numbers of the newly selected head are dark and were not there before.
    mine = like(selected, color(fine, "--ink"), 60) & changed(selected, before, 60)
    ring = box_around(mine, Box(stage.left + 34, stage.top + 24, stage.right, stage.bottom), ratio)
    row = box_around(mine, Box(stage.left, stage.top + 24, stage.left + 24, stage.bottom), ratio)
    column = box_around(mine, Box(stage.left + 34, stage.top, stage.right, stage.top + 15), ratio)
    assert abs(row.middle[1] - ring.middle[1]) < 2
    assert abs(column.middle[0] - ring.middle[0]) < 2
    for x, y in points_inside(ring, 4.5):
        fine.mouse.move(x, y)
        expect(readout).to_contain_text("head 14.3")
    fine.mouse.move(ring.middle[0], ring.bottom + 4)
    expect(readout).to_contain_text("head 15.3")
    fine.mouse.move(ring.right + 5, ring.middle[1])
    expect(readout).to_contain_text("head 14.4")


def test_a_highlighted_token_of_the_head_view_is_highlighted_where_it_is(fine: Page):
    ratio = ratio_of(fine)
    fine.mouse.move(*ABOVE_ALL)
    before = pixels(fine)
    token = fine.get_by_test_id("query-5")
    token.hover()
    box = box_of(token)
    after = pixels(fine)
    soft = like(after, color(fine, "--accent-soft"), 3)
    stage = box_of(fine.get_by_test_id("head-view").locator(".stage"))
    lit = box_around(soft & changed(after, before, 4), Box(stage.left, stage.top, box.right + 4, stage.bottom), ratio)
    assert np.abs(np.array(lit.middle) - np.array(box.middle)).max() < 2
    assert abs((lit.bottom - lit.top) - (box.bottom - box.top)) < 8


def test_the_lines_of_a_token_reach_the_tokens_that_they_connect(fine: Page):
    """The lines of a key end at the row of that key: pixels that change beside its column are on its row."""
    ratio = ratio_of(fine)
    fine.get_by_test_id("layer").select_option("9")
    fine.get_by_test_id("head-4").dblclick()
    fine.mouse.move(*ABOVE_ALL)
    # While layer 9 is loading, the legend is longer and the rows are elsewhere.
    expect(fine.get_by_test_id("head-view")).not_to_contain_text("still showing")
    pixels(fine)
    box, key = box_of(fine.get_by_test_id("query-8")), box_of(fine.get_by_test_id("key-4"))
    fine.get_by_test_id("query-8").hover()
    lines = pixels(fine)
    panel = color(fine, "--panel")

    # Beside the queries, all lines of query 8 start in its row; beside the keys, its heaviest line ends at key 4.
    def heaviest(x: float) -> float:
        column = round(x * ratio)
        stage = box_of(fine.get_by_test_id("head-view").locator(".stage"))
        top, bottom = round(stage.top * ratio), round(stage.bottom * ratio)
        strip = np.abs(lines[top:bottom, column : column + max(1, round(2 * ratio))] - panel).sum(axis=(1, 2))
        darkest = np.flatnonzero(strip >= 0.7 * strip.max())
        return (top + darkest.mean() + 0.5) / ratio

    assert abs(heaviest(box.right + 9) - box.middle[1]) < 2
    assert abs(heaviest(key.left - 9 - 2 / ratio) - key.middle[1]) < 2.5


def test_a_key_is_outlined_in_the_neuron_view_where_the_pointer_is(fine: Page):
    ratio = ratio_of(fine)
    fine.mouse.move(*ABOVE_ALL)
    cells = box_of(fine.get_by_test_id("neuron-cells"))
    before = pixels(fine)
    key = box_of(fine.get_by_test_id("neuron-key-3"))
    fine.get_by_test_id("neuron-key-3").hover()
    after = pixels(fine)
    drawn = like(after, color(fine, "--ink"), 130) & changed(after, before, 40)
    outline = box_around(drawn, Box(cells.left, key.top - 5, cells.right, key.bottom + 5), ratio)
    assert abs(outline.middle[1] - key.middle[1]) < 2
    assert 0 < outline.bottom - outline.top - 3 <= key.bottom - key.top


def test_the_cell_under_the_pointer_is_the_one_that_the_margins_name(fine: Page):
    grid = fine.get_by_test_id("model-grid")
    grid.focus()
    fine.keyboard.press("+")
    for _ in range(12):
        if grid.get_attribute("data-matrix"):
            break
        fine.keyboard.press("+")
    expect(grid).to_have_attribute("data-matrix", re.compile(r"\d"))
    name = grid.get_attribute("data-matrix")
    assert name
    _, x, y, wide, tall, *_ = [float(part) for part in name.split()]
    stage = box_of(grid)
    for query, key in ((6, 2), (3, 3)):
        at = stage.left + x + (key + 0.5) * wide, stage.top + y + (query + 0.5) * tall
        if not Box(stage.left + 70, stage.top + 60, stage.right, stage.bottom).holds(*at):
            continue
        fine.mouse.move(*at)
        row = fine.locator(".rows-margin .margin-label.now")
        expect(row).to_have_count(1)
        assert abs(box_of(row).middle[1] - at[1]) <= tall / 2 + 1
    fine.keyboard.press("Escape")


def test_every_canvas_fills_its_place_pixel_by_pixel(fine: Page):
    sizes = fine.locator("canvas:not(.ramp)").evaluate_all(
        """all => all.filter(one => one.checkVisibility() && one.clientWidth > 0).map(one => {
            const { width, height } = one.getBoundingClientRect();
            return [one.className || one.parentElement.className, one.width, one.height, width, height];
        })"""
    )
    assert {"picture", "overlay", "base", "above"} <= {name.split()[0] for name, *_ in sizes}
    ratio = min(2.0, ratio_of(fine))
    for name, width, height, shown_width, shown_height in sizes:
        assert abs(width - shown_width * ratio) < 0.51, name
        assert abs(height - shown_height * ratio) < 0.51, name


@pytest.mark.parametrize("changes", [(1.0, 2.0), (3.0, 1.5), (2.0, 0.5), (1.0, 1.25)], ids=str)
def test_the_page_follows_a_window_that_moves_to_another_screen(
    browser: Browser, app_server: str, changes: tuple[float, float]
):
    before, after = changes
    context = browser.new_context(viewport={"width": 1200, "height": 800}, device_scale_factor=before)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': TEXT, 'layer': '2', 'heads': '7'})}")
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", str(LAYERS))
    drawn = {name: page.locator(f"canvas.{name}").first for name in ("picture", "overlay", "base", "above")}
    sizes = {name: canvas.bounding_box() for name, canvas in drawn.items()}
    # Chromium's emulation only reports a change together with a new size of the window; no view becomes wider by it.
    screen = {"width": 1200, "height": 801, "mobile": False, "deviceScaleFactor": after}
    context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", screen)
    page.wait_for_function("ratio => devicePixelRatio === ratio", arg=after)
    for name, canvas in drawn.items():
        size = sizes[name]
        assert size
        wanted = size["width"] * min(2.0, after)
        close = "([canvas, wanted]) => Math.abs(canvas.width - wanted) <= 1"
        page.wait_for_function(close, arg=[canvas.element_handle(), wanted])
    context.close()
