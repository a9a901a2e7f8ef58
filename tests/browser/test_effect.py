"""The tab Effect as a person uses it: its numbers are those of `Model.effect`, `Model.control` and `Model.generate`."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

import attnscope
from attnscope import edits

TEXT = "When Mary and John went to the store, John gave a drink to"
OFF = edits.ScaleHead(23, 3, 0.0)
LONG_MS = 240_000


@pytest.fixture
def turned_off(page: Page, app_server: str) -> Page:
    """The tab Effect with head 23.3 turned off, and its control complete."""
    page.goto(
        f"{app_server}#{urlencode({'model': 'smollm2', 'text': TEXT, 'layer': '23', 'heads': '3', 'side': 'effect'})}"
    )
    expect(page.get_by_test_id("turn-off")).to_have_text("Turn off head 23.3", timeout=LONG_MS)
    page.get_by_test_id("turn-off").click()
    expect(page.get_by_test_id("control-sentence")).to_contain_text("This change", timeout=LONG_MS)
    return page


def shown(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def share(value: float) -> str:
    return "<.001" if value < 0.0005 else f"{value:.3f}".removeprefix("0")


def test_the_prediction_before_and_after_is_that_of_python(turned_off: Page, smollm2: attnscope.Model) -> None:
    effect = smollm2.effect(TEXT, [OFF], top=20)
    before = {text: probability for text, _, probability in effect.tokens_before}
    after = {text: probability for text, _, probability in effect.tokens_after}
    rows = turned_off.get_by_test_id("prediction-row")
    (first, *others) = rows.all()
    expect(first.get_by_role("rowheader")).to_have_text("·Mary")
    for row in (first, *others[:-1]):
        word = row.get_by_role("rowheader").inner_text().replace("·", " ")
        cells = row.get_by_role("cell").all_inner_texts()
        assert cells[-3:-1] == [share(before[word]), share(after[word])]
    expect(others[-1].get_by_role("rowheader")).to_have_text("all others")
    expect(turned_off.get_by_test_id("moved")).to_have_text(re.compile(r"^\d+ % moved$"))
    expect(turned_off.get_by_test_id("guesses")).to_contain_text(f"Mary {before[' Mary']:.2f} → {after[' Mary']:.2f}")


def test_the_control_is_that_of_python_and_stands_beside_the_effect(turned_off: Page, smollm2: attnscope.Model) -> None:
    control = smollm2.control(TEXT, [OFF], answer=" Mary", foil=" the")
    draws = turned_off.get_by_test_id("draw")
    expect(draws).to_have_count(8)
    cells = [row.locator("td").all_inner_texts() for row in draws.all()]
    assert [cell[1] for cell in cells] == list(control.where)
    assert [cell[2] for cell in cells] == [shown(value) for value in control.values.tolist()]
    low, high = float(control.values.min()), float(control.values.max())
    number = turned_off.get_by_test_id("effect-number")
    expect(number).to_contain_text(f"Mary − the {shown(control.before)} → {shown(control.after)}")
    expect(number).to_contain_text(f"others {shown(low)} … {shown(high)} (n = 8)")
    sentence = turned_off.get_by_test_id("control-sentence")
    expect(sentence).to_contain_text(f"This change: {shown(control.effect)}.")
    expect(sentence).to_contain_text("With 8 draws, nothing finer than 1 in 9 can be said.")
    expect(turned_off.get_by_test_id("effect-spoken")).to_contain_text("This change")


def test_another_metric_is_measured(turned_off: Page, smollm2: attnscope.Model) -> None:
    turned_off.get_by_test_id("metric").click()
    turned_off.get_by_test_id("metric-answer").fill(" Mary and")
    turned_off.get_by_test_id("metric-foil").fill("")
    turned_off.get_by_test_id("metric-foil").press("Enter")
    expect(turned_off.get_by_test_id("metric")).to_have_text("ln p(Mary and) ▾", timeout=LONG_MS)
    expect(turned_off.get_by_test_id("effect-number")).to_contain_text("n = 8", timeout=LONG_MS)
    effect = smollm2.effect(TEXT, [OFF], answer=" Mary and")
    expect(turned_off.get_by_test_id("effect-number")).to_contain_text(
        f"{shown(effect.before)} → {shown(effect.after)}"
    )


def test_both_passes_write_on_and_a_token_leads_to_its_step(turned_off: Page, smollm2: attnscope.Model) -> None:
    page = turned_off
    expect(page.get_by_test_id("continuation-note")).to_contain_text("the same", timeout=LONG_MS)
    rows = {
        which: smollm2.generate(TEXT, max_new_tokens=24, edits=made)
        for which, made in (("before", []), ("after", [OFF]))
    }
    for which, made in rows.items():
        written = page.locator(f"[data-testid^=written-{which}-]")
        texts = [label.split(": ", 1)[1] for label in (one.get_attribute("aria-label") or "" for one in written.all())]
        assert len(texts) == len(made.tokens)
        for text, step in zip(texts, made.steps, strict=True):
            assert (
                f"probability {share(step.probability) if step.probability < 0.9995 else '1.00'}, rank {step.rank}"
                in text
            )
    page.get_by_test_id("written-after-0").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("step-note")).to_be_visible()
    prompt = len(smollm2.trace(TEXT).tokens)
    expect(page.get_by_test_id(f"query-{prompt}")).to_have_attribute("aria-selected", "true")
    page.get_by_test_id("undo").click()
    expect(page.get_by_test_id("step-note")).to_have_count(0)
    expect(page.get_by_test_id(f"query-{prompt}")).to_have_count(0)


def test_a_stopped_control_names_no_effect(page: Page, app_server: str) -> None:
    page.goto(
        f"{app_server}#{urlencode({'model': 'smollm2', 'text': TEXT, 'layer': '23', 'heads': '3', 'side': 'effect'})}"
    )
    expect(page.get_by_test_id("turn-off")).to_be_visible(timeout=LONG_MS)
    page.get_by_test_id("turn-off").click()
    page.get_by_test_id("effect-cancel").click(timeout=LONG_MS)
    expect(page.get_by_test_id("control-sentence")).to_contain_text("No effect is named until the control is complete.")
    expect(page.get_by_test_id("effect-number")).not_to_contain_text("→")
    page.get_by_test_id("run-control").click()
    expect(page.get_by_test_id("control-sentence")).to_contain_text("This change", timeout=LONG_MS)


def test_two_prompts_show_what_differs_and_which_heads(page: Page, app_server: str, smollm2: attnscope.Model) -> None:
    text = "The doctor asked the nurse a question. She"
    other = text.replace("She", "He")
    page.goto(
        f"{app_server}#{urlencode({'model': 'smollm2', 'text': text, 'layer': '9', 'heads': '3', 'side': 'effect'})}"
    )
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=LONG_MS)
    page.get_by_test_id("baseline").click()
    page.get_by_test_id("baseline-text").fill(other)
    page.get_by_test_id("baseline-prompt").click()
    expect(page.get_by_test_id("differences")).to_have_text(
        "1 of 9 tokens substituted, the rest aligned", timeout=LONG_MS
    )
    page.get_by_test_id("contrast-one").select_option("4")
    page.get_by_test_id("contrast-other").select_option("1")
    after, before = smollm2.trace(text), smollm2.trace(other)
    contrasts = {
        f"{layer}.{head}": float(
            after.attention(layer, head)[8, 4]
            - after.attention(layer, head)[8, 1]
            - before.attention(layer, head)[8, 4]
            + before.attention(layer, head)[8, 1]
        )
        for layer in range(30)
        for head in range(9)
    }
    largest = sorted(contrasts, key=lambda name: -abs(contrasts[name]))[:8]
    rows = page.get_by_test_id("contrast-row")
    expect(rows.first.get_by_role("rowheader")).to_have_text(largest[0], timeout=LONG_MS)
    for name, row in zip(largest, rows.all(), strict=True):
        assert row.get_by_role("rowheader").inner_text() == name
        value = contrasts[name]
        assert row.get_by_role("cell").last.inner_text() == f"{'−' if value < 0 else '+'}{abs(value):.3f}".replace(
            "0.", ".", 1
        )


def test_the_tab_has_no_accessibility_problem(turned_off: Page, axe: str) -> None:
    turned_off.evaluate(axe)
    found = turned_off.evaluate(
        "axe.run().then(({violations}) => violations.map(({id, nodes}) => id + ' ' + nodes[0].html))"
    )
    assert found == []
