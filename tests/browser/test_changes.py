"""Changes made as a person makes them, by mouse, keyboard and touch: the numbers on the page are those of Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import pytest
from helpers.chromium_page import TIMEOUT_MS, watch_complaints
from playwright.sync_api import Browser, Locator, Page, expect

import attnscope
from attnscope.edits import CutEdge, Edit, ScaleHead, ScaleNeuron, SetAttention, from_json

TEXT = "The doctor asked the nurse a question. She"
LAYER, HEAD, QUERY, KEY = 9, 4, 8, 4
RUN_MS = 120_000


@pytest.fixture
def app(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, head 9.4, with the tab Effect."""
    return visit(page, app_server)


@pytest.fixture
def phone(browser: Browser, app_server: str, complaints: list[str]) -> Iterator[Page]:
    """The same on a narrow touch screen."""
    context = browser.new_context(viewport={"width": 700, "height": 900}, has_touch=True, device_scale_factor=2)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    watch_complaints(page, complaints)
    yield visit(page, app_server, at="head")
    context.close()
    assert not complaints, "\n".join(complaints)


def visit(page: Page, server: str, **more: str) -> Page:
    address = {"model": "smollm2", "text": TEXT, "layer": str(LAYER), "heads": str(HEAD), "side": "effect", **more}
    page.goto(f"{server}#{urlencode(address)}")
    expect(page.get_by_test_id("head-fader")).to_be_visible(timeout=240_000)
    return page


def settle(page: Page) -> None:
    """Wait until the pass with the changes is on show."""
    expect(page.get_by_test_id("field-switch")).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_test_id("pending")).to_have_count(0, timeout=RUN_MS)


def probabilities(model: attnscope.Model, edits: Sequence[Edit]) -> dict[str, str]:
    """The most probable next tokens of the edited model, and their probabilities as the foot of the page writes them."""
    trace = model.trace(TEXT, edits=list(edits))
    assert trace.next_tokens is not None
    return {text.strip(): f"{probability:.2f}" for text, _, probability in trace.next_tokens[:3]}


def expect_next(page: Page, expected: dict[str, str]) -> None:
    foot = page.get_by_test_id("guesses")
    for word, probability in expected.items():
        # With two passes: the probability before → after.
        expect(foot).to_contain_text(re.compile(rf"{word} ([\d.]+ → )?{probability}"), timeout=RUN_MS)


def open_box(page: Page) -> Locator:
    """The box of the selected head, by the key e, with the focus outside of all views."""
    page.get_by_test_id("head-factor").focus()
    page.keyboard.press("e")
    box = page.get_by_test_id("change-box")
    expect(box).to_be_visible()
    return box


def test_the_fader_turns_a_head_off_and_back(app: Page, smollm2: attnscope.Model) -> None:
    app.get_by_test_id("head-off").click()
    settle(app)
    expect_next(app, probabilities(smollm2, [ScaleHead(LAYER, HEAD, 0)]))
    expect(app.get_by_test_id("changes-short")).to_contain_text("9.4 output off")
    app.get_by_test_id("head-off").click()
    expect(app.get_by_test_id("field-switch")).to_have_count(0, timeout=RUN_MS)
    expect_next(app, probabilities(smollm2, []))


def test_a_dragged_fader_is_one_step_of_undo(app: Page, smollm2: attnscope.Model) -> None:
    box = app.get_by_test_id("head-factor").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    app.mouse.move(box["x"] + box["width"] / 2, middle)
    app.mouse.down()
    for step in range(1, 6):
        app.mouse.move(box["x"] + box["width"] * (0.5 + step / 20), middle)
    app.mouse.up()
    settle(app)
    factor = float(app.get_by_test_id("head-factor").input_value())
    assert 1.4 < factor < 1.6
    expect_next(app, probabilities(smollm2, [ScaleHead(LAYER, HEAD, factor)]))
    app.get_by_test_id("undo").click()
    expect(app.get_by_test_id("head-factor")).to_have_value("1")
    expect(app.get_by_test_id("change")).to_have_count(0)
    app.get_by_test_id("redo").click()
    expect(app.get_by_test_id("head-factor")).to_have_value(str(factor).rstrip("0").rstrip("."))
    settle(app)


def test_the_box_of_a_head_obeys_its_keys(app: Page) -> None:
    box = open_box(app)
    for _ in range(4):
        app.keyboard.press("ArrowLeft")
    expect(box.get_by_test_id("change-value")).to_have_text("× .80")
    app.keyboard.press("Shift+ArrowRight")
    expect(box.get_by_test_id("change-value")).to_have_text("× .81")
    app.keyboard.press("0")
    expect(box.get_by_test_id("change-value")).to_have_text("off")
    app.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(app.get_by_test_id("change")).to_have_count(0)
    expect(app.get_by_test_id("head-factor")).to_be_focused()
    open_box(app)
    app.keyboard.press("0")
    app.keyboard.press("Enter")
    expect(app.get_by_test_id("change")).to_have_count(1)
    app.keyboard.press("m")
    expect(app.get_by_test_id("change")).to_have_attribute("aria-label", "9.4 output off, muted")


def test_the_weight_of_a_line_is_set_and_cut(app: Page, smollm2: attnscope.Model) -> None:
    weight = smollm2.trace(TEXT).attention(LAYER, HEAD)[QUERY, KEY]
    app.get_by_test_id(f"query-{QUERY}").click()
    app.get_by_test_id(f"key-{KEY}").click()
    box = open_box(app)
    expect(box).to_contain_text("She → nurse")
    expect(box).to_contain_text(f"as it is {weight:.2f}".replace(" 0.", " ."))
    app.keyboard.press("Home")
    expect(box.get_by_test_id("change-value")).to_have_text("cut")
    app.keyboard.press("Enter")
    settle(app)
    expect_next(app, probabilities(smollm2, [CutEdge(LAYER, HEAD, QUERY, KEY)]))
    row = app.get_by_test_id("change")
    expect(row).to_contain_text(f"was {weight:.2f}".replace(" 0.", " ."))
    row.focus()
    for _ in range(4):
        app.keyboard.press("ArrowRight")
    expect(row).to_contain_text(".10")
    settle(app)
    expect_next(app, probabilities(smollm2, [SetAttention(LAYER, HEAD, QUERY, KEY, 0.1)]))


def test_hiding_a_token_cuts_its_lines_in_the_layer(app: Page, smollm2: attnscope.Model) -> None:
    app.get_by_test_id(f"query-{QUERY}").click()
    app.get_by_test_id(f"key-{KEY}").click()
    box = open_box(app)
    box.get_by_test_id("hide-layer").click()
    app.keyboard.press("Enter")
    settle(app)
    heads = smollm2.trace(TEXT).stacks[0].heads
    later = list(range(KEY + 1, QUERY + 1))
    expect_next(app, probabilities(smollm2, [CutEdge(LAYER, head, later, KEY) for head in range(heads)]))
    expect(app.get_by_test_id("change")).to_have_count(1)
    expect(app.get_by_test_id("changes-short")).to_have_text("layer 9 nurse hidden")


def test_the_list_mutes_removes_and_puts_back(app: Page, smollm2: attnscope.Model) -> None:
    app.get_by_test_id("add-change").click()
    app.get_by_test_id("add-head").fill("9.44")
    app.get_by_test_id("add-submit").click()
    expect(app.get_by_test_id("add-problem")).to_have_text("Layer 9 has heads 0 to 8, not 44.")
    app.get_by_test_id("add-head").fill("12.2")
    app.get_by_test_id("add-submit").click()
    app.get_by_test_id("add-change").click()
    app.get_by_test_id("add-kind").select_option("neurons")
    app.get_by_test_id("add-dims").fill("3, 35")
    app.get_by_test_id("add-submit").click()
    settle(app)
    rows = app.get_by_test_id("change")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("9.4 q 3 · 35")
    both = [ScaleNeuron(LAYER, HEAD, [3, 35], 0), ScaleHead(12, 2, 0)]
    expect_next(app, probabilities(smollm2, both))
    rows.first.focus()
    app.keyboard.press("Space")
    settle(app)
    expect_next(app, probabilities(smollm2, both[1:]))
    app.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    app.keyboard.press("Delete")
    expect(rows).to_have_count(1)
    expect(app.get_by_test_id("removed")).to_contain_text("12.2 output off")
    app.get_by_test_id("put-back").click()
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_test_id("remove").click()
    expect(app.get_by_test_id("removed")).to_be_visible()
    app.mouse.move(10, 10)
    expect(app.get_by_test_id("removed")).to_have_count(0)


def test_json_goes_out_and_comes_in_as_in_python(app: Page, tmp_path: Path) -> None:
    app.get_by_test_id("head-off").click()
    with app.expect_download() as download:
        app.get_by_test_id("save-json").click()
    file = tmp_path / "changes.json"
    download.value.save_as(file)
    assert from_json(file.read_text()) == [ScaleHead(LAYER, HEAD, 0)]
    file.write_text(json.dumps([{"type": "CutEdge", "layer": 3, "head": 1, "query": "She", "key": "nurse"}]))
    app.get_by_test_id("json-file").set_input_files(file)
    expect(app.get_by_test_id("change")).to_have_count(2)
    expect(app.get_by_test_id("change").first).to_have_attribute("aria-label", "3.1 She → nurse cut")
    settle(app)
    file.write_text('[{"type": "Mask"}]')
    app.get_by_test_id("json-file").set_input_files(file)
    expect(app.get_by_test_id("changes-problem")).to_contain_text("unknown type Mask")


def test_a_reload_shows_the_same_changes(app: Page, smollm2: attnscope.Model) -> None:
    app.get_by_test_id("head-off").click()
    settle(app)
    app.get_by_test_id("field-difference").click()
    expected = probabilities(smollm2, [ScaleHead(LAYER, HEAD, 0)])
    app.reload()
    settle(app)
    expect(app.get_by_test_id("field-difference")).to_have_attribute("aria-checked", "true")
    expect(app.get_by_test_id("changes-short")).to_have_text("9.4 output off")
    expect_next(app, expected)


def test_two_prompts_are_called_by_their_word(app: Page) -> None:
    app.keyboard.press("c")
    app.get_by_test_id("baseline-text").fill(TEXT.replace("She", "He"))
    app.keyboard.press("Enter")
    settle(app)
    expect(app.get_by_role("radio", name="He", exact=True)).to_be_visible()
    expect(app.get_by_role("radio", name="She", exact=True)).to_be_visible()


def test_a_kept_view_is_found_again(app: Page) -> None:
    app.get_by_test_id("workspace").click()
    app.get_by_test_id("view-title").fill("as it is")
    app.get_by_test_id("keep-view").click()
    app.keyboard.press("Escape")
    app.get_by_test_id("head-off").click()
    settle(app)
    app.get_by_test_id("workspace").click()
    app.get_by_test_id("kept-view").click()
    expect(app.get_by_test_id("field-switch")).to_have_count(0)
    expect(app.get_by_test_id("changes-short")).to_have_count(0)


def test_a_workspace_file_shows_what_was_saved(app: Page, tmp_path: Path) -> None:
    app.get_by_test_id("head-off").click()
    settle(app)
    app.get_by_test_id("workspace").click()
    app.get_by_test_id("notes").fill("Head 9.4 is off.")
    with app.expect_download() as download:
        app.get_by_test_id("workspace-save").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    app.get_by_test_id("notes").fill("")
    app.keyboard.press("Escape")
    app.get_by_test_id("head-off").click()
    expect(app.get_by_test_id("field-switch")).to_have_count(0, timeout=RUN_MS)
    app.get_by_test_id("workspace").click()
    app.get_by_test_id("workspace-file").set_input_files(file)
    settle(app)
    expect(app.get_by_test_id("changes-short")).to_have_text("9.4 output off")
    app.get_by_test_id("workspace").click()
    expect(app.get_by_test_id("notes")).to_have_value("Head 9.4 is off.")


def test_a_touch_on_the_fader_of_a_narrow_page_turns_the_head(phone: Page, smollm2: attnscope.Model) -> None:
    box = phone.get_by_test_id("head-factor").bounding_box()
    assert box is not None
    phone.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] / 2)
    settle(phone)
    expect(phone.get_by_test_id("changes-short")).to_have_text("9.4 output off")
    expect_next(phone, probabilities(smollm2, [ScaleHead(LAYER, HEAD, 0)]))


def test_the_box_and_the_list_are_accessible(app: Page, axe: str) -> None:
    app.get_by_test_id("head-off").click()
    settle(app)
    open_box(app)
    app.evaluate(axe)
    found = app.evaluate("axe.run(document.body, {resultTypes: ['violations']})")
    assert [one["id"] for one in found["violations"]] == []
