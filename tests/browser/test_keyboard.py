"""The keyboard keeps its place, screen readers hear what happens, and messages cover nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

SHADOW = "document.querySelector('.attnscope').shadowRoot"


def test_tables_keep_the_cursor_on_a_row_that_was_chosen(nurse: Page, axe: str) -> None:
    nurse.get_by_test_id("query-8").click()
    nurse.get_by_test_id("key-4").click()
    for view, rows in (("edges", "edges"), ("weights", "weights")):
        nurse.get_by_test_id(f"side-{view}").click()
        table = nurse.get_by_test_id(rows)
        expect(table).to_be_visible()
        table.focus()
        for _ in range(3):
            nurse.keyboard.press("ArrowDown")
        active = f"{SHADOW}.getElementById({SHADOW}.activeElement.getAttribute('aria-activedescendant')).ariaRowIndex"
        before = nurse.evaluate(active)
        nurse.keyboard.press("Enter")
        nurse.wait_for_timeout(500)
        # The weights to a key become those from the query of the chosen row; the cursor stays on the same pair.
        assert nurse.evaluate(active) == before if view == "edges" else int(nurse.evaluate(active)) >= 2
        nurse.evaluate(axe)
        found = nurse.evaluate(
            "axe.run(document, {runOnly: ['empty-table-header']}).then(all => all.violations.length)"
        )
        assert found == 0


def test_the_head_view_keeps_the_keyboard_on_its_token_and_goes_to_the_strongest_key(nurse: Page) -> None:
    queries, keys = nurse.get_by_test_id("query-tokens"), nurse.get_by_test_id("key-tokens")
    queries.focus()
    nurse.keyboard.press("End")
    nurse.keyboard.press(" ")
    expect(nurse.get_by_test_id("query-8")).to_have_attribute("aria-selected", "true")
    nurse.keyboard.press(" ")
    expect(nurse.get_by_test_id("query-8")).to_have_attribute("aria-selected", "false")
    expect(queries).to_have_attribute("aria-activedescendant", "query-8")
    nurse.keyboard.press("ArrowRight")
    expect(keys).to_be_focused()
    expect(keys).to_have_attribute("aria-activedescendant", "key-4")  # nurse, the largest weight of She in head 9.4
    nurse.keyboard.press("ArrowLeft")
    expect(queries).to_have_attribute("aria-activedescendant", "query-8")


@pytest.mark.parametrize("size", [(1400, 900), (390, 844)])
def test_a_message_covers_no_button_and_a_run_is_announced(nurse: Page, size: tuple[int, int]) -> None:
    nurse.evaluate(f"""() => {{
        window.heard = [];
        const announcer = {SHADOW}.querySelector("[data-testid=announcer]");
        new MutationObserver(() => heard.push(announcer.textContent)).observe(
            announcer, {{childList: true, characterData: true, subtree: true}});
    }}""")
    nurse.get_by_test_id("prompt").fill("Two cats sat on a mat")
    nurse.get_by_test_id("run").click()
    expect(nurse.get_by_test_id("announcer")).to_have_text("Done: 6 tokens in SmolLM2-135M-Instruct")
    assert nurse.evaluate("heard")[0] == "Running the model"
    nurse.set_viewport_size({"width": size[0], "height": size[1]})
    nurse.context.grant_permissions(["clipboard-read", "clipboard-write"])
    nurse.get_by_test_id("export-head").click()
    nurse.get_by_test_id("python-head").click()
    expect(nurse.get_by_test_id("said")).to_have_text("Python code copied")
    covered = nurse.evaluate(
        f"""() => [...{SHADOW}.querySelectorAll("button, select, [role=tab]")]
            .filter(one => one.checkVisibility() && one.getClientRects().length)
            .filter(one => {{
                const box = one.getBoundingClientRect();
                const top = {SHADOW}.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                return top !== null && top.closest(".news") !== null && !one.closest(".news");
            }}).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert covered == []
    assert nurse.evaluate(f"{SHADOW}.querySelector('.said').closest('.foot') !== null")


def test_the_prompt_shows_its_text_the_sentences_have_names_and_buttons_say_what_they_do(nurse: Page) -> None:
    box = nurse.get_by_test_id("prompt")
    assert box.evaluate("box => box.scrollHeight <= box.clientHeight")
    box.fill("A long text that a person pastes. " * 30)
    nurse.get_by_test_id("model-grid").focus()
    shape = box.evaluate("box => [box.clientHeight, box.scrollHeight, getComputedStyle(box).overflowY]")
    assert 50 < shape[0] < 80 and shape[1] > shape[0] and shape[2] == "auto"
    nurse.get_by_test_id("toggle-b").click()
    expect(nurse.locator(".sign")).to_have_text(["A", "B"])
    unnamed = nurse.evaluate(
        f"""() => [...{SHADOW}.querySelectorAll(".top button, .bar button")]
            .filter(one => one.getClientRects().length && one.type !== "submit" && !one.title)
            .map(one => one.outerHTML.slice(0, 100))"""
    )
    assert unnamed == []
