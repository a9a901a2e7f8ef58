"""Models with several stacks, layers without attention, and edited forward passes, in the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import gallery
import pytest
from helpers import tiny_models
from playwright.sync_api import Page, expect

import attnscope
from attnscope.session import Limits, ModelEntry, Session, StoredTrace

SOURCE = "the agreement was signed in August"
TARGET = "l' accord a été signé"
FAULTS = """axe.run(document, {resultTypes: ['violations']})
    .then(all => all.violations.map(one => `${one.id}: ${one.nodes[0].html.slice(0, 150)}`))"""
CUT = {"type": "CutEdge", "layer": 3, "head": 0, "query": 2, "key": 1}


@pytest.fixture(scope="module")
def t5() -> attnscope.Model:
    model = tiny_models.build("t5")
    model.generation_config.max_new_tokens = 5
    return attnscope.Model(model, tiny_models.words_tokenizer(SOURCE, TARGET))


@pytest.fixture(scope="module")
def hybrid() -> attnscope.Trace:
    return gallery.hybrid([CUT, {"type": "ScaleHead", "layer": 3, "head": 1, "factor": 0.0}])


@pytest.fixture(scope="module")
def served(t5: attnscope.Model, hybrid: attnscope.Trace) -> Iterator[str]:
    session = Session([ModelEntry.loaded(t5)], traces=[StoredTrace.without_model(hybrid)], limits=Limits(tokens=60))
    with gallery.served(session) as url:
        yield url


def opened(page: Page, url: str, **fields: str) -> None:
    page.goto(f"{url}#{urlencode(fields)}")


def test_cross_attention_has_target_tokens_on_the_left_and_source_tokens_on_the_right_and_matches_python(
    page: Page, served: str, t5: attnscope.Model
) -> None:
    opened(page, served, text=SOURCE, target=TARGET, stack="cross", layer="1", heads="2")
    expect(page.get_by_test_id("query-2")).to_contain_text("accord")
    expect(page.get_by_test_id("key-1")).to_contain_text("agreement")
    expect(page.get_by_test_id("side-names")).to_contain_text(re.compile("target 6 queries.*source 7 keys"))
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "2")
    page.get_by_test_id("query-2").click()
    row = t5.trace(SOURCE, target=TARGET).attention(1, 2, stack="cross", rows=[2])[0]
    expect(page.get_by_test_id("readout")).to_contain_text(f"{float(row.max()):.4f}"[:5])
    expect(page.get_by_test_id("readout")).to_contain_text("accord 2 →" if TARGET.count("accord") > 1 else "accord →")

    head = page.get_by_test_id("head-view")
    head.get_by_role("radio", name="encoder").click()
    expect(page.get_by_test_id("query-1")).to_contain_text("agreement")
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "3")
    expect(page.get_by_test_id("side-names")).to_have_count(0)
    page.get_by_test_id("query-1").click()
    head.get_by_role("radio", name="cross").click()
    expect(page.get_by_test_id("key-1")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("stack=cross.*pins=k1"))


def test_input_boxes_tabs_and_the_list_of_edits_have_no_accessibility_problems(
    page: Page, served: str, hybrid: attnscope.Trace, axe: str
) -> None:
    opened(page, served, text=SOURCE, target=TARGET, stack="cross", theme="dark")
    expect(page.get_by_test_id("query-2")).to_be_visible()
    page.evaluate(axe)
    assert page.evaluate(FAULTS) == []
    page.goto("about:blank")
    opened(page, served, trace=hybrid.id)
    page.get_by_test_id("edits").click()
    page.evaluate(axe)
    assert page.evaluate(FAULTS) == []


def test_the_neurons_of_another_stack_are_those_of_its_last_query(page: Page, served: str, t5: attnscope.Model) -> None:
    trace = t5.trace(SOURCE, target=TARGET)
    opened(page, served, text=SOURCE, target=TARGET, stack="decoder")
    title = page.get_by_test_id("side-panel").locator("b.title")
    expect(title).to_contain_text(trace.tokens_for("decoder")[0][-1].text.strip())
    page.get_by_test_id("head-view").get_by_role("radio", name="encoder").click()
    expect(title).to_contain_text(trace.tokens_for("encoder")[0][-1].text.strip())


def test_the_position_bias_is_a_column_and_part_of_the_score(page: Page, served: str, t5: attnscope.Model) -> None:
    opened(page, served, text=SOURCE, target=TARGET, stack="encoder", layer="0", heads="1", token="q2")
    side = page.get_by_test_id("side-panel")
    expect(side.get_by_title("The bias that the model adds to the score").first).to_be_visible()
    expect(side).to_contain_text("score = q·k + bias")
    scores = t5.trace(SOURCE, target=TARGET).scores(0, 1, stack="encoder", rows=[2])[0]
    best = float(scores.max())
    expect(page.get_by_test_id("readout")).to_contain_text(f"score {best:.2f}".replace("-", "−"))


def test_without_a_target_the_model_generates_one_and_a_long_text_is_truncated_with_one_click(
    page: Page, served: str, complaints: list[str]
) -> None:
    opened(page, served, text=SOURCE, target=TARGET)
    target = page.get_by_test_id("target")
    expect(target).to_have_value(TARGET)
    target.fill("")
    target.press("Enter")
    expect(page).not_to_have_url(re.compile("target="))
    expect(target).to_have_attribute("placeholder", re.compile("generated"))
    expect(page.get_by_test_id("toggle-b")).to_have_count(0)

    page.get_by_test_id("prompt").fill("agreement " * 70)
    page.get_by_test_id("run").click()
    page.get_by_test_id("cut").click()
    expect(page.get_by_test_id("failure")).to_have_count(0)
    expect(page.get_by_test_id("key-tokens").get_by_role("option").first).to_have_attribute("aria-setsize", "60")
    assert "413" in complaints.pop()  # the browser logs the failed request itself


def test_a_url_that_fails_leaves_its_text_and_model_to_be_corrected(
    page: Page, served: str, complaints: list[str]
) -> None:
    text = ("agreement " * 70).strip()
    opened(page, served, text=text, target=TARGET)
    failure = page.get_by_test_id("failure")
    expect(failure).to_contain_text("Too large.")
    expect(page.get_by_test_id("prompt")).to_have_value(text)
    expect(page.get_by_test_id("target")).to_have_value(TARGET)
    expect(page.get_by_test_id("welcome")).to_contain_text("No result to show")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_test_id("prompt").fill(SOURCE)
    page.get_by_test_id("run").click()
    expect(page.get_by_test_id("query-1")).to_contain_text("agreement")
    expect(failure).to_have_count(0)
    assert "413" in complaints.pop()  # the browser logs the failed request itself


def test_layers_without_attention_keep_their_number_and_are_skipped_and_an_edited_pass_is_marked(
    page: Page, served: str, hybrid: attnscope.Trace
) -> None:
    opened(page, served, trace=hybrid.id)
    layer = page.get_by_test_id("layer")
    expect(layer).to_have_value("3")
    expect(layer.locator("option:disabled")).to_have_count(9)
    page.get_by_test_id("query-2").click()
    page.keyboard.press("]")
    expect(layer).to_have_value("7")
    page.keyboard.press("[")
    expect(layer).to_have_value("3")
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "3")

    chip = page.get_by_test_id("edits")
    expect(chip).to_have_text("2 edits")
    chip.click()
    listed = page.get_by_role("dialog", name=re.compile("not the original model"))
    expect(listed).to_contain_text("edge from “rose” (token 2) to “river” (token 1) cut in head 3.0")
    expect(listed).to_contain_text("head 3.1 ablated")
    expect(listed).to_contain_text("edits.CutEdge(layer=3, head=0, query=2, key=1)")
