"""From the first prompt to an effect beside its control, as a person acts: every number on the page is that of Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from helpers import shown_numbers as shown
from helpers.chromium_page import TIMEOUT_MS, watch_complaints
from helpers.compared_page import (
    HE,
    NURSE,
    QUERY,
    RUN_MS,
    SHE,
    compare_with,
    expect_pair,
    on_line,
    settle,
    tab_to,
    thumbnail,
    turn_off,
    visit,
)
from playwright.sync_api import Browser, Page, expect

import attnscope
from attnscope.edits import CutEdge, Edit, ScaleHead

MARY = "When Mary and John went to the store, John gave a drink to"
OFF = ScaleHead(23, 3, 0.0)


def expect_mary(page: Page, model: attnscope.Model, edits: Sequence[Edit]) -> None:
    """The row of Mary in the tab Effect has the probabilities before and after, and their difference."""
    effect = model.effect(MARY, list(edits), top=200)
    before, after = (
        {text: probability for text, _, probability in one}[" Mary"]
        for one in (effect.tokens_before, effect.tokens_after)
    )
    assert before - after > 0.05
    cells = page.get_by_test_id("prediction-row").filter(has_text="Mary").locator("td")
    expect(cells.nth(2)).to_have_text(shown.exactly(shown.probability(before)), timeout=RUN_MS)
    expect(cells.nth(3)).to_have_text(shown.exactly(shown.probability(after)), timeout=RUN_MS)
    expect(cells.nth(4)).to_have_text(shown.exactly(shown.change(after - before)), timeout=RUN_MS)


def expect_control(page: Page, model: attnscope.Model, text: str, edits: Sequence[Edit]) -> None:
    """The control is complete; the metric with each draw is that of Python, and the line names the effect beside it."""
    named = re.match(r"logit (\S+) − (\S+)", page.get_by_test_id("metric").inner_text())
    assert named
    answer, foil = (f" {one}" for one in named.groups())
    control = model.control(text, list(edits), answer=answer, foil=foil)
    line = page.get_by_test_id("effect-number")
    expect(line).to_contain_text(f"(n = {len(control.values)})", timeout=RUN_MS)
    rows = page.get_by_test_id("draw")
    expect(rows).to_have_count(len(control.values))
    values = dict(zip(control.where, control.values.tolist(), strict=True))
    for where, value in values.items():
        row = rows.filter(has=page.get_by_role("cell", name=where, exact=True, include_hidden=True))
        expect(row.locator("td").nth(2)).to_have_text(shown.exactly(shown.metric(value)))
    ends = f"{shown.metric(control.before)} → {shown.metric(control.after)}"
    least, most = (shown.metric(float(one)) for one in (control.values.min(), control.values.max()))
    expect(line).to_contain_text(re.compile(rf"{named[1]} − {named[2]} {ends}\s+others {least} … {most} "))
    expect(page.get_by_test_id("control-sentence")).to_contain_text("This change: ")


def test_a_newcomers_path_by_mouse(page: Page, app_server: str, smollm2: attnscope.Model) -> None:
    page.goto(app_server)
    expect(page.get_by_test_id("prompt")).to_be_visible(timeout=RUN_MS)
    page.get_by_test_id("prompt").fill(MARY)
    page.get_by_test_id("run").click()
    last = len(smollm2.trace(MARY).tokens) - 1
    expect(page.get_by_test_id(f"query-{last}")).to_contain_text("to", timeout=RUN_MS)
    page.get_by_test_id("model-grid").click(position=thumbnail(page, 23, 3))
    expect(page.get_by_test_id("head-fader")).to_contain_text("Head 23.3 output")
    expect(page.get_by_test_id("head-off")).to_be_in_viewport()
    turn_off(page)
    page.get_by_test_id("side-effect").click()
    expect_mary(page, smollm2, [OFF])
    expect_control(page, smollm2, MARY, [OFF])

    page.get_by_test_id(f"query-{last}").click()
    key = int(smollm2.trace(MARY).attention(23, 3)[last, 1:].argmax()) + 1
    page.mouse.move(*on_line(page, last, key))
    page.mouse.click(*on_line(page, last, key), button="right")
    box = page.get_by_test_id("change-box")
    token = smollm2.trace(MARY).tokens[key].text.strip()
    expect(box).to_have_attribute("aria-label", "Change line of head 23.3")
    expect(box).to_contain_text(f"to → {token}")
    box.get_by_test_id("cut").click()
    expect(box.get_by_test_id("change-value")).to_have_text("cut")
    page.keyboard.press("Enter")
    expect(box).to_have_count(0)
    expect(page.get_by_test_id("change")).to_have_count(2)
    settle(page)
    expect_mary(page, smollm2, [OFF, CutEdge(23, 3, last, key)])

    page.get_by_test_id("prompt").fill(HE)
    page.get_by_test_id("run").click()
    expect(page.get_by_test_id("query-8")).to_contain_text("He", timeout=RUN_MS)
    compare_with(page, SHE)
    page.get_by_test_id("model-grid").click(position=thumbnail(page, 9, 3))
    before, after = (smollm2.trace(text).attention(9, 3)[QUERY] for text in (SHE, HE))
    key = int((after - before)[1:].abs().argmax()) + 1
    page.get_by_test_id("query-8").click()
    page.get_by_test_id(f"key-{key}").click()
    page.mouse.move(5, 5)
    token = smollm2.trace(HE).tokens[key].text.strip()
    expect_pair(page, float(before[key]), float(after[key]), name=rf"She / He → {re.escape(token)}")


def test_the_same_path_by_keyboard(page: Page, app_server: str, smollm2: attnscope.Model) -> None:
    page.goto(app_server)
    expect(page.get_by_test_id("prompt")).to_be_visible(timeout=RUN_MS)
    press, kind = page.keyboard.press, page.keyboard.type
    page.get_by_test_id("prompt").focus()
    press("ControlOrMeta+a")
    kind(MARY)
    press("Enter")
    last = len(smollm2.trace(MARY).tokens) - 1
    expect(page.get_by_test_id(f"query-{last}")).to_contain_text("to", timeout=RUN_MS)
    tab_to(page, "model-grid")
    press("ControlOrMeta+Home")
    for _ in range(23):
        press("ArrowDown")
    for _ in range(3):
        press("ArrowRight")
    press("Space")
    expect(page.get_by_test_id("head-fader")).to_contain_text("Head 23.3 output")
    press("e")
    box = page.get_by_test_id("change-box")
    expect(box).to_have_attribute("aria-label", "Change head 23.3")
    press("0")
    press("Enter")
    expect(box).to_have_count(0)
    expect(page.get_by_test_id("model-grid")).to_be_focused()
    settle(page)
    checked = {name: page.get_by_test_id(f"field-{name}") for name in ("before", "after", "difference")}
    expect(checked["after"]).to_have_attribute("aria-checked", "true")
    page.keyboard.down("b")
    expect(checked["before"]).to_have_attribute("aria-checked", "true")
    page.keyboard.up("b")
    expect(checked["after"]).to_have_attribute("aria-checked", "true")
    press("d")
    expect(checked["difference"]).to_have_attribute("aria-checked", "true")
    tab_to(page, "side-neurons")
    for _ in range(3):
        press("ArrowRight")
    expect(page.get_by_test_id("side-effect")).to_be_focused()
    expect_mary(page, smollm2, [OFF])
    expect_control(page, smollm2, MARY, [OFF])
    press("m")
    expect(page.get_by_test_id("change")).to_have_attribute("aria-label", "23.3 output off, muted")
    expect(page.get_by_test_id("pending")).to_have_count(0, timeout=RUN_MS)
    press("m")
    expect(page.get_by_test_id("change")).to_have_attribute("aria-label", "23.3 output off")
    settle(page)
    expect_mary(page, smollm2, [OFF])

    key = int(smollm2.trace(MARY).attention(23, 3)[last, 1:].argmax()) + 1
    tab_to(page, "query-tokens", back=True)
    press("End")
    press("Space")
    press("ArrowRight")
    expect(page.get_by_test_id("key-tokens")).to_be_focused()
    press("Home")
    for _ in range(key):
        press("ArrowDown")
    press("Space")
    tab_to(page, "head-factor", back=True)
    press("e")
    expect(box).to_have_attribute("aria-label", "Change line of head 23.3")
    press("0")
    expect(box.get_by_test_id("change-value")).to_have_text("cut")
    press("Escape")
    expect(box).to_have_count(0)
    expect(page.get_by_test_id("change")).to_have_count(1)
    expect(page.get_by_test_id("head-factor")).to_be_focused()
    press("e")
    press("0")
    press("Enter")
    expect(page.get_by_test_id("change")).to_have_count(2)
    settle(page)
    expect_mary(page, smollm2, [OFF, CutEdge(23, 3, last, key)])

    press("/")
    press("ControlOrMeta+a")
    kind(HE)
    press("Enter")
    expect(page.get_by_test_id("query-8")).to_contain_text("He", timeout=RUN_MS)
    tab_to(page, "model-grid")
    press("c")
    tab_to(page, "baseline-text")
    press("ControlOrMeta+a")
    kind(SHE)
    press("Enter")
    settle(page)
    expect(checked["difference"]).to_have_attribute("aria-checked", "true")
    tab_to(page, "model-grid")
    for _ in range(14):
        press("ArrowUp")
    press("Enter")
    expect(page.get_by_test_id("head-fader")).to_contain_text("Head 9.3 output")
    expect(page.get_by_test_id("query-tokens")).to_be_focused()
    press("End")
    press("Space")
    press("ArrowRight")
    press("Home")
    for _ in range(NURSE):
        press("ArrowDown")
    before, after = (float(smollm2.trace(text).attention(9, 3)[QUERY, NURSE]) for text in (SHE, HE))
    expect_pair(page, before, after, name="She / He → nurse")


def expect_turned_off(page: Page, readout: str, rows: Sequence[str]) -> None:
    """Head 9.4 is off, the difference of the pair She → nurse is on show in head 12.2, and the tab Effect is open."""
    settle(page)
    expect(page.get_by_test_id("changes-short")).to_have_text("9.4 output off")
    expect(page.get_by_test_id("field-difference")).to_have_attribute("aria-checked", "true")
    expect(page.get_by_test_id("layer")).to_have_value("12")
    expect(page.get_by_test_id("head-2")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("readout")).to_contain_text(readout, timeout=RUN_MS)
    expect(page.get_by_test_id("prediction-row")).to_have_text(rows, timeout=RUN_MS)
    expect(page.get_by_test_id("effect-number")).to_contain_text("(n = 8)", timeout=RUN_MS)


def test_reload_undo_and_a_link_show_the_same(
    page: Page, browser: Browser, complaints: list[str], app_server: str, smollm2: attnscope.Model
) -> None:
    visit(page, app_server, side="effect")
    turn_off(page)
    page.get_by_test_id("field-difference").click()
    page.get_by_test_id("model-grid").click(position=thumbnail(page, 12, 2))
    page.mouse.move(5, 5)
    edited = smollm2.trace(SHE, edits=[ScaleHead(9, 4, 0.0)])
    before, after = (float(trace.attention(12, 2)[QUERY, NURSE]) for trace in (smollm2.trace(SHE), edited))
    expect_pair(page, before, after, name="She → nurse")
    expect(page.get_by_test_id("effect-number")).to_contain_text("(n = 8)", timeout=RUN_MS)
    found = re.search(r"She → nurse\s+\S+ \(\S+ → \S+\)", page.get_by_test_id("readout").inner_text())
    assert found
    same = found[0], [one.strip() for one in page.get_by_test_id("prediction-row").all_text_contents()]

    page.reload()
    expect_turned_off(page, *same)
    link = page.url
    page.get_by_test_id("model-grid").click(position=thumbnail(page, 9, 4))
    turn_on = page.get_by_test_id("head-off")
    expect(turn_on).to_have_attribute("aria-pressed", "true")
    turn_on.click()
    expect(page.get_by_test_id("field-switch")).to_have_count(0, timeout=RUN_MS)
    page.get_by_test_id("undo").click()
    settle(page)
    expect(page.get_by_test_id("changes-short")).to_have_text("9.4 output off")
    page.get_by_test_id("redo").click()
    expect(page.get_by_test_id("field-switch")).to_have_count(0, timeout=RUN_MS)
    expect(page.get_by_test_id("changes-short")).to_have_count(0)

    context = browser.new_context(viewport={"width": 1400, "height": 900})
    other = context.new_page()
    other.set_default_timeout(TIMEOUT_MS)
    watch_complaints(other, complaints)
    other.goto(f"{app_server}#{urlsplit(link).fragment}")
    expect_turned_off(other, *same)
    context.close()
