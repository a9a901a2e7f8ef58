"""The frame of the page: undo, help, narrow pages, error messages, and accessibility."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from playwright.sync_api import Page, Route, expect

import attnscope

NURSE = "The doctor asked the nurse a question. She"
SHADOW = "document.querySelector('.attnscope').shadowRoot"


def asked(route: Route) -> str:
    """The type of a request to the server."""
    return json.loads(route.request.post_data or "{}").get("type", "")


def test_undo_and_redo_name_the_action_and_leave_the_theme(nurse: Page) -> None:
    undo, redo = nurse.get_by_test_id("undo"), nurse.get_by_test_id("redo")
    expect(undo).to_be_disabled()
    nurse.get_by_test_id("look").click()
    nurse.get_by_role("radio", name="√").click()
    nurse.keyboard.press("Escape")
    nurse.get_by_test_id("theme").click()
    nurse.get_by_test_id("query-4").click()
    expect(undo).to_have_attribute("aria-label", "Undo: pin")
    undo.click()
    expect(nurse.get_by_test_id("query-4")).to_have_attribute("aria-selected", "false")
    expect(undo).to_have_attribute("aria-label", "Undo: scale")
    nurse.keyboard.press("Control+z")
    expect(nurse.get_by_test_id("look")).to_contain_text("linear")
    expect(nurse.get_by_test_id("theme")).to_have_attribute("aria-label", "Theme: light")
    nurse.keyboard.press("Control+Shift+z")
    expect(nurse.get_by_test_id("look")).to_contain_text("√")
    redo.click()
    expect(nurse.get_by_test_id("query-4")).to_have_attribute("aria-selected", "true")
    expect(redo).to_be_disabled()


def test_a_chat_opens_at_its_last_message_ready_for_the_next(nurse: Page) -> None:
    nurse.get_by_test_id("chat").click()
    nurse.get_by_test_id("chat-line").click()
    expect(nurse.get_by_test_id("message-0")).to_be_focused()
    expect(nurse.get_by_test_id("message-0")).to_have_value(NURSE)
    nurse.get_by_test_id("add-message").click()
    expect(nurse.get_by_test_id("message-1")).to_be_focused()
    nurse.keyboard.type("said that")
    nurse.keyboard.press("Enter")
    expect(nurse.get_by_test_id("roles")).to_contain_text("assistant")
    nurse.get_by_test_id("chat-line").click()
    expect(nurse.get_by_test_id("message-1")).to_be_focused()


def test_the_model_can_continue_the_last_message_of_a_chat(nurse: Page, smollm2: attnscope.Model) -> None:
    nurse.get_by_test_id("chat").click()
    nurse.get_by_test_id("chat-line").click()
    nurse.get_by_test_id("add-message").click()
    nurse.keyboard.type("The color is")
    nurse.get_by_label("Continue the last message").check()
    nurse.get_by_test_id("message-1").press("Enter")
    messages = [{"role": "user", "content": NURSE}, {"role": "assistant", "content": "The color is"}]
    written = smollm2.tokenizer.apply_chat_template(messages, continue_final_message=True)["input_ids"]
    some = nurse.get_by_test_id("query-tokens").get_by_role("option").first
    expect(some).to_have_attribute("aria-setsize", str(len(written)), timeout=60_000)
    expect(nurse).to_have_url(re.compile("continues=1"))
    nurse.reload()
    nurse.get_by_test_id("chat-line").click(timeout=60_000)
    expect(nurse.get_by_label("Continue the last message")).to_be_checked()
    nurse.get_by_label("Continue the last message").uncheck()
    nurse.get_by_test_id("message-1").press("Enter")
    expect(nurse).not_to_have_url(re.compile("continues=1"), timeout=60_000)


def test_help_opens_with_a_key_and_restores_the_focus(nurse: Page) -> None:
    nurse.get_by_test_id("query-tokens").focus()
    nurse.keyboard.press("?")
    dialog = nurse.get_by_role("dialog", name="Help and keyboard shortcuts")
    expect(dialog).to_contain_text("previous layer, next layer")
    nurse.keyboard.press("]")
    expect(nurse.get_by_test_id("layer")).to_have_value("9")
    nurse.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(nurse.get_by_test_id("query-tokens")).to_be_focused()


def test_narrow_pages_collapse_the_tools_and_nothing_overflows(nurse: Page) -> None:
    for width in (700, 360):
        nurse.set_viewport_size({"width": width, "height": 740})
        nurse.get_by_test_id("tools").click()
        tools = nurse.get_by_role("dialog", name="Tools")
        for part in ("Scale", "Palette", "Theme", "Undo", "Help and shortcuts", "Two cats", "Copy as Python"):
            expect(tools).to_contain_text(part) if part != "Undo" else expect(
                tools.get_by_test_id("undo")
            ).to_be_visible()
        box = tools.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 740
        nurse.keyboard.press("Escape")
        out = nurse.evaluate(
            f"""width => [...{SHADOW}.querySelectorAll('.top *, .bar *, .tabs *, .foot')]
                .filter(one => one.getClientRects().length && !one.closest('.readout, [class*=clip], .logo'))
                .filter(one => one.getBoundingClientRect().right > width + 0.5)
                .map(one => one.outerHTML.slice(0, 120))""",
            width,
        )
        assert out == []
    assert nurse.evaluate("document.documentElement.scrollWidth") == 360


def test_a_lost_connection_is_reported_the_view_stays_and_retrying_works(nurse: Page, complaints: list[str]) -> None:
    nurse.route("**/api", lambda route: route.abort())
    nurse.get_by_test_id("layer").select_option("13")
    failure = nurse.get_by_test_id("failure")
    expect(failure).to_contain_text("Disconnected. attnscope is not responding.")
    expect(failure).to_contain_text("The results on this page stay available.")
    expect(nurse.get_by_test_id("query-4")).to_contain_text("nurse")
    nurse.unroute("**/api")
    nurse.get_by_test_id("retry").click()
    expect(failure).to_have_count(0)
    nurse.get_by_test_id("query-8").hover()
    expect(nurse.get_by_test_id("readout")).to_contain_text("head 13.4")
    complaints[:] = [one for one in complaints if "ERR_FAILED" not in one]  # Chromium logs the aborted requests


def test_errors_name_the_problem_and_offer_a_remedy(nurse: Page, complaints: list[str]) -> None:
    nurse.get_by_label("Prompt").fill("fox " * 6000)
    nurse.get_by_label("Prompt").press("Enter")
    failure = nurse.get_by_test_id("failure")
    expect(failure).to_contain_text("Too large.")
    expect(nurse.get_by_test_id("retry")).to_have_count(0)
    failure.get_by_role("button", name="Shorten the text").click()
    expect(nurse.get_by_label("Prompt")).to_be_focused()
    answer = json.dumps({"type": "error", "code": "busy", "message": "Eight passes wait already."})
    nurse.route("**/api", lambda route: route.fulfill(status=503, content_type="application/json", body=answer))
    nurse.get_by_label("Prompt").fill("Hello")
    nurse.get_by_label("Prompt").press("Enter")
    expect(failure).to_contain_text("Busy. Eight passes wait already.")
    expect(nurse.get_by_test_id("retry")).to_be_visible()
    complaints[:] = [one for one in complaints if "413" not in one and "503" not in one]


def test_a_slow_layer_can_be_stopped_and_requested_again(nurse: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if asked(route) == "layer":
            held.append(route)
        else:
            route.continue_()

    nurse.route("**/api", hold)
    nurse.get_by_test_id("layer").select_option("17")
    expect(nurse.get_by_test_id("working")).to_contain_text("Loading layer 17")
    nurse.get_by_test_id("cancel").click()
    expect(nurse.get_by_test_id("failure")).to_contain_text("Canceled. Layer 17 was not loaded.")
    nurse.unroute("**/api")
    nurse.get_by_test_id("retry").click()
    nurse.get_by_test_id("query-8").hover()
    expect(nurse.get_by_test_id("readout")).to_contain_text("head 17.4")


def test_the_page_has_no_accessibility_problems_in_light_and_dark(nurse: Page, axe: str) -> None:
    nurse.evaluate(axe)
    nurse.get_by_test_id("query-4").click()

    def faults() -> list[str]:
        found = nurse.evaluate("axe.run(document, {resultTypes: ['violations']}).then(all => all.violations)")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:150]}" for one in found if one["impact"] in ("serious", "critical")
        ]

    assert faults() == []
    nurse.get_by_test_id("export-head").click()
    expect(nurse.get_by_role("menu", name="Export: head view")).to_be_visible()
    assert faults() == []
    nurse.keyboard.press("Escape")
    nurse.get_by_test_id("side-weights").click()
    nurse.keyboard.press("t")
    nurse.keyboard.press("t")
    expect(nurse.get_by_test_id("theme")).to_have_attribute("aria-label", "Theme: dark")
    assert faults() == []
    nurse.get_by_test_id("side-neurons").click()
    nurse.get_by_test_id("certificate").click()
    assert faults() == []
    nurse.keyboard.press("Escape")
    nurse.keyboard.press("?")
    assert faults() == []


def test_no_text_is_smaller_than_twelve_pixels(nurse: Page) -> None:
    small = nurse.evaluate(
        f"""() => [...{SHADOW}.querySelectorAll('*')]
            .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
            .filter(one => Number.parseFloat(getComputedStyle(one).fontSize) < 12)
            .map(one => one.outerHTML.slice(0, 100))"""
    )
    assert small == []


def test_a_shared_link_opens_the_same_settings(nurse: Page, app_server: str) -> None:
    nurse.get_by_test_id("look").click()
    nurse.get_by_role("radio", name="log").click()
    nurse.get_by_role("radio", name="cividis").click()
    nurse.keyboard.press("Escape")
    nurse.get_by_test_id("side-weights").click()
    expect(nurse).to_have_url(re.compile("scale=log.*palette=cividis.*side=weights"))
    link = nurse.url
    nurse.goto("about:blank")
    nurse.goto(link)
    expect(nurse.get_by_test_id("look")).to_contain_text("log")
    expect(nurse.get_by_test_id("side-weights")).to_have_attribute("aria-selected", "true")
    nurse.get_by_test_id("look").click()
    expect(nurse.get_by_role("radio", name="cividis")).to_be_checked()


def test_an_address_names_tokens_by_words(page: Page, app_server: str) -> None:
    shown = {"model": "smollm2", "text": NURSE, "layer": "9", "heads": "4"}
    page.goto(f"{app_server}#{urlencode({**shown, 'query': 'She', 'key': 'nurse'})}")
    expect(page.get_by_test_id("query-8")).to_have_attribute("aria-selected", "true", timeout=240_000)
    expect(page.get_by_test_id("key-4")).to_have_attribute("aria-selected", "true")
    assert "pins=q8,k4" in page.evaluate("location.hash")
    page.goto(f"{app_server}#{urlencode({**shown, 'token': 'dentist'})}")
    expect(page.get_by_test_id("remark")).to_contain_text('"dentist" is not a word of the text (tokens: 0 "The"')
