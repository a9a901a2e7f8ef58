"""The way back to an earlier input: the browser's Back and Forward, the menu of recent inputs, and undo."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect

NURSE = "The doctor asked the nurse a question. She"
CATS = "Two cats sat on a mat"
FOX = "A quick fox"


@pytest.fixture
def nurse(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with head 9.4 selected and an edge pinned."""
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': NURSE, 'layer': '9', 'heads': '4'})}")
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    page.get_by_test_id("query-8").click()
    page.get_by_test_id("key-4").click()
    return page


def run(page: Page, text: str) -> None:
    page.get_by_test_id("prompt").fill(text)
    page.get_by_test_id("run").click()
    expect_input(page, text)


def expect_input(page: Page, text: str) -> None:
    """The text is in the prompt, and its tokens are on show."""
    expect(page.get_by_test_id("prompt")).to_have_value(text)
    words = text.replace(".", " .").split()
    expect(page.get_by_test_id(f"query-{len(words) - 1}")).to_contain_text(words[-1])
    expect(page.get_by_test_id(f"query-{len(words)}")).to_have_count(0)


def expect_pins(page: Page) -> None:
    expect(page.get_by_test_id("query-8")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("key-4")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("layer")).to_have_value("9")
    expect(page.get_by_test_id("head-4")).to_have_attribute("aria-pressed", "true")


def drop_traces(page: Page) -> list[str]:
    """From now on the app no longer has any trace. Returns the texts that it is asked to run, a list that keeps growing."""
    texts: list[str] = []

    def answer(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if asked["type"] == "run":
            texts.append(asked["text"])
        if asked["type"] != "trace":
            route.continue_()
            return
        error = {"v": 1, "id": asked["id"], "type": "error", "last": True, "code": "unknown", "message": "Gone."}
        route.fulfill(status=404, content_type="application/json", body=json.dumps(error))

    page.route("**/api", answer)
    return texts


def test_back_and_forward_lead_through_the_inputs_and_a_selection_is_no_step(nurse: Page) -> None:
    before = nurse.evaluate("history.length")
    run(nurse, CATS)
    nurse.get_by_test_id("layer").select_option("12")
    nurse.get_by_test_id("query-3").click()
    run(nurse, FOX)
    assert nurse.evaluate("history.length") == before + 2
    nurse.go_back()
    expect_input(nurse, CATS)
    expect(nurse.get_by_test_id("layer")).to_have_value("12")
    expect(nurse.get_by_test_id("query-3")).to_have_attribute("aria-selected", "true")
    nurse.go_back()
    expect_input(nurse, NURSE)
    expect_pins(nurse)
    nurse.go_forward()
    expect_input(nurse, CATS)
    nurse.go_forward()
    expect_input(nurse, FOX)
    assert nurse.evaluate("history.length") == before + 2
    nurse.evaluate("history.go(-2)")
    expect_input(nurse, NURSE)
    expect_pins(nurse)


def test_back_to_an_input_that_the_app_dropped_runs_it_again(nurse: Page, complaints: list[str]) -> None:
    run(nurse, CATS)
    texts = drop_traces(nurse)
    nurse.go_back()
    expect_input(nurse, NURSE)
    expect_pins(nurse)
    assert texts == [NURSE]
    expect(nurse.get_by_test_id("failure")).to_have_count(0)
    nurse.go_forward()
    expect_input(nurse, CATS)
    assert texts == [NURSE, CATS]
    complaints[:] = [one for one in complaints if "404" not in one]


def test_back_during_a_run_stops_it(nurse: Page) -> None:
    run(nurse, CATS)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if json.loads(route.request.post_data or "{}").get("type") == "run":
            held.append(route)
        else:
            route.continue_()

    nurse.route("**/api", hold)
    nurse.get_by_test_id("prompt").fill(FOX)
    nurse.get_by_test_id("run").click()
    expect(nurse.get_by_test_id("working")).to_be_visible()
    nurse.go_back()
    expect_input(nurse, NURSE)
    expect(nurse.get_by_test_id("working")).to_have_count(0)
    expect(nurse.get_by_test_id("failure")).to_have_count(0)


def test_the_menu_of_recent_inputs_shows_one_as_it_was_left(nurse: Page, complaints: list[str]) -> None:
    run(nurse, CATS)
    run(nurse, FOX)
    nurse.get_by_test_id("recent").click()
    menu = nurse.get_by_role("menu", name="Recent inputs")
    items = menu.get_by_role("menuitemradio")
    for at, text in enumerate((FOX, CATS, NURSE)):
        expect(items.nth(at)).to_contain_text(text)
        expect(items.nth(at)).to_contain_text("SmolLM2-135M-Instruct")
    expect(items.nth(0)).to_be_checked()
    items.nth(2).click()
    expect_input(nurse, NURSE)
    expect_pins(nurse)
    nurse.go_back()
    expect_input(nurse, FOX)
    texts = drop_traces(nurse)
    nurse.get_by_test_id("recent").click()
    items.filter(has_text=CATS).click()
    expect_input(nurse, CATS)
    assert texts == [CATS]
    complaints[:] = [one for one in complaints if "404" not in one]


def test_the_recent_inputs_of_a_narrow_page_are_in_its_menu(nurse: Page) -> None:
    run(nurse, CATS)
    nurse.set_viewport_size({"width": 390, "height": 844})
    nurse.get_by_test_id("tools").click()
    nurse.get_by_role("menu", name="Recent inputs").get_by_role("menuitemradio").nth(1).click()
    expect(nurse.get_by_test_id("prompt")).to_have_value(NURSE)


def test_undo_leads_back_over_a_run(nurse: Page) -> None:
    run(nurse, CATS)
    nurse.get_by_test_id("layer").select_option("12")
    undo, redo = nurse.get_by_test_id("undo"), nurse.get_by_test_id("redo")
    undo.click()
    expect(nurse.get_by_test_id("layer")).to_have_value("9")
    expect(undo).to_have_attribute("aria-label", f"Undo: show “{CATS}”")
    undo.click()
    expect_input(nurse, NURSE)
    expect_pins(nurse)
    nurse.get_by_test_id("query-8").hover()
    expect(nurse.get_by_test_id("readout")).to_contain_text("She → nurse")
    redo.click()
    expect_input(nurse, CATS)
    redo.click()
    expect(nurse.get_by_test_id("layer")).to_have_value("12")


def test_a_result_that_cannot_be_run_again_is_said_to_be_gone(nurse: Page, complaints: list[str]) -> None:
    nurse.evaluate("location.hash = 'trace=0123456789abcdef&layer=3'")
    expect(nurse.get_by_test_id("remark")).to_contain_text("attnscope no longer has this result")
    expect_input(nurse, NURSE)
    complaints[:] = [one for one in complaints if "404" not in one]
