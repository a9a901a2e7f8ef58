"""A person at the page that compares two passes: opens it, points, presses keys, and reads a difference."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, Position, expect

from helpers import shown_numbers as shown

SHE = "The doctor asked the nurse a question. She"
HE = "The doctor asked the nurse a question. He"
QUERY, NURSE = 8, 4
RUN_MS = 240_000
_FOCUSED = "document.querySelector('.attnscope').shadowRoot.activeElement?.dataset.testid ?? null"


def visit(page: Page, server: str, **more: str) -> None:
    """Open the doctor and the nurse at head 9.4, with the pair She → nurse pinned."""
    pins = f"q{QUERY},k{NURSE}"
    address = {"model": "smollm2", "text": SHE, "layer": "9", "heads": "4", "pins": pins, **more}
    page.goto(f"{server}#{urlencode(address)}")
    expect(page.get_by_test_id("prompt")).to_have_value(SHE, timeout=RUN_MS)
    expect(page.get_by_test_id("head-fader")).to_be_attached(timeout=RUN_MS)


def settle(page: Page) -> None:
    """Wait until the pass with the changes is on show."""
    expect(page.get_by_test_id("field-switch")).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_test_id("pending")).to_have_count(0, timeout=RUN_MS)


def thumbnail(page: Page, layer: int, head: int) -> Position:
    """The position of a head's thumbnail, from the upper left of the grid."""
    pitch = page.get_by_test_id("model-grid").get_attribute("data-pitch")
    assert pitch
    across, down, left, top = map(float, pitch.split())
    return {"x": left + (head + 0.4) * across, "y": top + (layer + 0.4) * down}


def on_line(page: Page, query: int, key: int) -> tuple[float, float]:
    """The middle of the line of a pair."""
    left, right = (page.get_by_test_id(name).bounding_box() for name in (f"query-{query}", f"key-{key}"))
    assert left and right
    x, y = left["x"] + left["width"], left["y"] + left["height"] / 2
    return (x + right["x"]) / 2, (y + right["y"] + right["height"] / 2) / 2


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab, or Shift+Tab to go back, until an element has keyboard focus."""
    for _ in range(80):
        if page.evaluate(_FOCUSED) == name:
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    pytest.fail(f"Tab does not reach {name}")


def turn_off(page: Page) -> None:
    """Turn the selected head off with the button in sight."""
    page.get_by_test_id("head-off").click()
    settle(page)


def compare_with(page: Page, text: str) -> None:
    """Compare the current pass with that of another prompt."""
    page.get_by_test_id("baseline").click()
    page.get_by_test_id("baseline-text").fill(text)
    page.get_by_test_id("baseline-prompt").click()
    settle(page)
    expect(page.get_by_test_id("field-difference")).to_have_attribute("aria-checked", "true")


def change_box(page: Page) -> Locator:
    """The open change box."""
    box = page.get_by_test_id("change-box")
    expect(box).to_be_visible()
    return box


def expect_pair(page: Page, before: float, after: float, *, name: str) -> None:
    """The readout of the head view has the weights of a pair before and after, and their difference."""
    text = rf"{name}\s+{shown.difference(after - before)} \({shown.weight(before)} → {shown.weight(after)}\)"
    expect(page.get_by_test_id("readout")).to_contain_text(re.compile(text), timeout=RUN_MS)
