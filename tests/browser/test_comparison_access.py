"""Changes and comparisons: no accessibility problems, and on a narrow screen everything is in reach of a finger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from helpers.chromium_page import TIMEOUT_MS, watch_complaints
from helpers.compared_page import HE, NURSE, QUERY, RUN_MS, change_box, compare_with, settle, thumbnail, turn_off, visit
from playwright.sync_api import Browser, Locator, Page, Position, expect

VIOLATIONS = """axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>
    violations.map(({id, nodes}) => `${id}: ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`))"""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def phone(browser: Browser, app_server: str, complaints: list[str]) -> Iterator[Page]:
    """The app on a narrow touch screen."""
    context = browser.new_context(viewport={"width": 700, "height": 900}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    watch_complaints(page, complaints)
    visit(page, app_server, at="head")
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)


def expect_no_violations(page: Page, state: str) -> None:
    """Axe finds nothing, in light and dark, on a wide page and on a narrow one."""
    for width in (1400, 700):
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_test_id("tab-head")).to_have_count(1 if width == 700 else 0)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            expect(page.locator(".attnscope .app")).to_be_visible()
            found = page.evaluate(VIOLATIONS)
            assert found == [], f"{state}, {scheme}, {width} px"
    page.set_viewport_size({"width": 1400, "height": 900})


def test_axe_finds_nothing_with_changes_and_comparisons(page: Page, app_server: str, axe: str) -> None:
    visit(page, app_server, side="effect", at="side")
    page.evaluate(axe)
    turn_off(page)
    expect(page.get_by_test_id("effect-number")).to_contain_text("(n = 8)", timeout=RUN_MS)
    expect_no_violations(page, "effect with control")
    page.set_viewport_size({"width": 700, "height": 900})
    page.get_by_test_id("tab-head").click()
    page.get_by_test_id("field-difference").click()
    expect_no_violations(page, "difference")
    page.get_by_test_id("head-4").click(button="right")
    change_box(page)
    expect_no_violations(page, "change box")
    page.keyboard.press("Escape")
    page.get_by_test_id("baseline").click()
    expect(page.get_by_test_id("baseline-text")).to_be_visible()
    expect_no_violations(page, "baseline menu")
    page.keyboard.press("Escape")
    compare_with(page, HE)
    expect_no_violations(page, "two prompts")


def hold(page: Page, target: Locator, position: Position | None = None) -> Locator:
    """Rest a finger on something until the change box is open."""
    box = target.bounding_box()
    assert box
    at: Position = position or {"x": box["width"] / 2, "y": box["height"] / 2}
    touch = page.context.new_cdp_session(page)
    point = {"x": box["x"] + at["x"], "y": box["y"] + at["y"]}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    found = change_box(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(found).to_be_visible()
    return found


def test_a_finger_reaches_everything_on_a_narrow_page(phone: Page) -> None:
    shown = {
        "model": ["model-grid", "measure-menu"],
        "head": ["query-tokens", "key-tokens", "head-off", "layer", "head-8"],
        "side": ["side-neurons", "side-weights", "side-edges", "side-effect"],
    }
    for tab, names in shown.items():
        phone.get_by_test_id(f"tab-{tab}").tap()
        for name in [*names, "prompt", "run", "baseline", "tools"]:
            expect(phone.get_by_test_id(name)).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 700
    phone.get_by_test_id("tab-head").tap()
    box = hold(phone, phone.get_by_test_id(f"key-{NURSE}"))
    expect(box).to_have_attribute("aria-label", "Change token of head 9.4")
    box.get_by_test_id("hide-head").tap()
    settle(phone)
    phone.get_by_test_id(f"query-{QUERY}").tap()
    expect(box).to_have_count(0)
    phone.get_by_test_id("tab-model").tap()
    box = hold(phone, phone.get_by_test_id("model-grid"), thumbnail(phone, 9, 4))
    expect(box).to_have_attribute("aria-label", "Change head 9.4")
    box.get_by_test_id("change-0").tap()
    expect(box.get_by_test_id("change-value")).to_have_text("off")
    phone.get_by_test_id("tab-side").tap()
    phone.get_by_test_id("side-effect").tap()
    settle(phone)
    expect(phone.get_by_test_id("change")).to_have_count(2)
    expect(phone.get_by_test_id("control-sentence")).to_contain_text("This change: ", timeout=RUN_MS)
    for field in ("before", "difference", "after"):
        phone.get_by_test_id(f"field-{field}").tap()
        expect(phone.get_by_test_id(f"field-{field}")).to_have_attribute("aria-checked", "true")
    phone.get_by_test_id("change").first.get_by_test_id("remove").tap()
    expect(phone.get_by_test_id("change")).to_have_count(1)
