"""The neuron view, by pointer and by keyboard: its numbers are those that the model computed."""

from __future__ import annotations

import math
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from helpers.app_process import running_app
from playwright.sync_api import Locator, Page, expect

import attnscope

FOX = "The quick, brown fox jumps over the lazy"
LAYER, HEAD, QUERY, KEY = 9, 4, 8, 4
BASE = 100_000  # SmolLM2's rope_theta


@pytest.fixture
def app(page: Page, app_server: str) -> Page:
    """The app on the fox sentence, head 9.4 and the last token selected, dimensions by index."""
    return visit(page, app_server)


def visit(page: Page, server: str, **more: str) -> Page:
    address = {"model": "smollm2", "text": FOX, "layer": str(LAYER), "heads": str(HEAD), "token": f"q{QUERY}", **more}
    page.goto(f"{server}#{urlencode(address)}")
    expect(page.get_by_test_id("neuron-check")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def trace(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace(FOX)


def cells(page: Page) -> Locator:
    return page.get_by_test_id("neuron-cells")


def point(page: Page, column: str, key: int, dimension: int, dim: int = 64) -> None:
    """Move the pointer to a dimension of a row, with dimensions ordered by index."""
    said = cells(page).get_attribute("data-columns")
    box, row = cells(page).bounding_box(), page.get_by_test_id(f"neuron-key-{key}").bounding_box()
    assert said and box and row
    k, product, span, fold = map(float, said.split())
    across = dim / fold
    tall = min(40, row["height"] - (8 if row["height"] > 30 else 4))
    x = {"q": 0.0, "k": k, "product": product}[column] + (dimension % across + 0.5) * span / across
    y = row["height"] / 2 - tall / 2 + (dimension // across + 0.5) * tall / fold
    page.mouse.move(box["x"] + x, row["y"] + y)


def numbers(text: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in re.findall(r"[−]?\d+(?:\.\d+)?(?:e\d)?", text)]


def test_a_cell_shows_the_models_query_key_and_product(app: Page, trace: attnscope.Trace):
    q, k = np.asarray(trace.q(LAYER, HEAD))[QUERY], np.asarray(trace.k(LAYER, HEAD))[KEY]
    readout = app.get_by_test_id("readout")
    for dimension in (0, 21, 46, 63):
        point(app, "product", KEY, dimension)
        expect(readout).to_contain_text(f"dimension {dimension}:")
        said, pair = readout.inner_text().split(f"dimension {dimension}:")[1].split(" · pair with ")
        product = q[dimension] * k[dimension]
        *shown, percent = numbers(said)
        expected = [q[dimension], k[dimension], product, product / 8]
        np.testing.assert_allclose(shown, expected, rtol=2e-3, atol=2e-3 * max(1, abs(product)))
        assert percent == pytest.approx(100 * product / float(q @ k), rel=0.05, abs=0.06)
        expect(app.get_by_test_id("neuron-tip")).to_contain_text(f"dimension {dimension}")
        # Its rotary partner, their wavelength, and the pair's contribution. Base and size are from the config.
        other, first = (dimension + 32) % 64, dimension % 32
        both = product + q[other] * k[other]
        partner, together, share, wavelength = numbers(re.sub(r"(?<=\d),(?=\d)", "", pair))
        assert partner == other
        assert wavelength == pytest.approx(2 * math.pi * BASE ** (first / 32), rel=0.09)
        assert together == pytest.approx(float(both) / 8, abs=2e-3 * max(1.0, abs(float(product))))
        assert share == pytest.approx(100 * float(both) / float(q @ k), rel=0.06, abs=0.06)


def test_the_cells_sum_to_the_models_scores(app: Page):
    expect(app.get_by_test_id("neuron-check")).to_have_text(re.compile(r"^Σ q×k = q·k ✓ ±\de-\d$"))


def test_the_table_for_screen_readers_has_the_models_numbers(app: Page, trace: attnscope.Trace):
    attention = np.asarray(trace.attention(LAYER, HEAD, rows=[QUERY]))[0]
    scores = np.asarray(trace.scores(LAYER, HEAD, rows=[QUERY]))[0]
    rows = app.get_by_test_id("neuron-table").locator("tbody tr")
    expect(rows).to_have_count(len(trace.tokens))
    for row, key in enumerate(np.argsort(-attention)[:4]):
        said = rows.nth(row).locator("td").all_inner_texts()
        assert said[0] == trace.tokens[key].text.strip()
        assert float(said[1]) == pytest.approx(attention[key], abs=2e-3)
        assert numbers(said[2])[0] == pytest.approx(scores[key], abs=2e-2)


def test_a_click_on_a_dimension_selects_its_pair_and_the_url_contains_it(app: Page):
    point(app, "k", KEY, 21)
    app.mouse.down()
    app.mouse.up()
    expect(cells(app)).to_have_attribute("data-marked", "21 53")
    expect(app).to_have_url(re.compile("neuron=21"))
    app.reload()
    expect(cells(app)).to_have_attribute("data-marked", "21 53")
    point(app, "k", KEY, 53)
    expect(app.get_by_test_id("neuron-tip")).to_contain_text("dimension 53 (marked)")
    app.get_by_test_id("head-5").click()
    expect(cells(app)).to_have_attribute("data-marked", "21 53")
    app.get_by_test_id("neuron-head").select_option("5")
    expect(cells(app)).to_have_attribute("data-marked", "")


def test_selecting_another_token_also_selects_it_in_the_head_view(app: Page):
    app.get_by_test_id("neuron-query-3").click()
    expect(app).to_have_url(re.compile("token=q3"))
    expect(app.get_by_test_id("neuron-query-3")).to_have_attribute("aria-selected", "true")
    app.mouse.move(0, 0)
    expect(app.get_by_test_id("query-3")).to_have_class(re.compile(r"\bactive\b"))
    app.get_by_test_id("query-5").click()
    expect(app.get_by_test_id("neuron-query-5")).to_have_attribute("aria-selected", "true")


def test_masked_keys_are_marked(app: Page):
    app.get_by_test_id("neuron-query-3").click()
    expect(app.get_by_test_id("neuron-notes")).to_contain_text("masked")
    point(app, "product", 6, 10)
    expect(app.get_by_test_id("readout")).to_contain_text("masked")
    expect(app.get_by_test_id("neuron-tip")).to_contain_text("masked")
    expect(app.get_by_test_id("neuron-key-6")).to_have_class(re.compile(r"\bmuted\b"))


def test_ordering_by_contribution_follows_the_strongest_key_pair_by_pair(app: Page, trace: attnscope.Trace):
    app.get_by_role("radio", name="contribution").click()
    attention = np.asarray(trace.attention(LAYER, HEAD, rows=[QUERY]))[0]
    products = np.asarray(trace.q(LAYER, HEAD))[QUERY] * np.asarray(trace.k(LAYER, HEAD))[int(attention.argmax())]
    pairs = products[:32] + products[32:]
    expect(cells(app)).to_have_attribute("data-order", re.compile(r"\d"))
    order = standing(app)
    assert sorted(n for pair in order for n in pair) == list(range(64))
    assert all(b == a + 32 for a, b in order)
    assert [a for a, _ in order][:3] == list(np.argsort(-pairs)[:3])
    assert (np.diff(pairs[[a for a, _ in order]]) < 0.02).all()


def standing(page: Page) -> list[tuple[int, int]]:
    """The pairs of dimensions as displayed: one above the other if vectors are folded, else side by side."""
    order = [int(found) for found in (cells(page).get_attribute("data-order") or "").split()]
    fold = int(float((cells(page).get_attribute("data-columns") or "").split()[3]))
    if fold == 1:
        return list(zip(order[::2], order[1::2], strict=True))
    across = len(order) // fold
    lines = [order[at : at + across] for at in range(0, len(order), across)]
    return [
        pair for upper, lower in zip(lines[::2], lines[1::2], strict=True) for pair in zip(upper, lower, strict=True)
    ]


def test_sorting_by_wavelength_puts_pairs_together_from_short_to_long(app: Page, trace: attnscope.Trace):
    app.get_by_role("radio", name="wavelength").click()
    expect(app).to_have_url(re.compile("order=wavelength"))
    expect(app.get_by_test_id("neuron-turns").first).to_contain_text("1k")
    rotary = trace.rotary(LAYER)
    assert rotary is not None
    turns = dict(zip(rotary.pairs, rotary.wavelengths, strict=True))
    assert standing(app) == sorted(turns, key=lambda pair: turns[pair])
    expect(app.get_by_test_id("neuron-check")).to_contain_text("✓")


def test_a_model_without_rope_has_no_wavelengths_and_selects_single_dimensions(page: Page, app_server: str):
    more = {"model": "minilm", "text": "the cat sat on the mat", "pair": "the cat lay on the rug"}
    visit(page, app_server, **more, layer="2", heads="0", token="q3", order="wavelength")
    expect(page.get_by_role("radio", name="contribution")).to_be_visible()
    expect(page.get_by_role("radio", name="wavelength")).to_have_count(0)
    point(page, "product", 2, 7, dim=32)
    page.mouse.down()
    page.mouse.up()
    expect(cells(page)).to_have_attribute("data-marked", "7")
    expect(page.get_by_test_id("readout")).not_to_contain_text("rotary")


def test_the_norms_of_value_vectors_and_outputs_match_the_model(app: Page, trace: attnscope.Trace):
    app.get_by_test_id("neuron-values").click()
    expect(app).to_have_url(re.compile("values=shown"))
    table = app.get_by_test_id("neuron-table")
    expect(table).to_contain_text("α‖f(x)‖")
    expect(app.get_by_test_id("neuron-output")).to_be_in_viewport()
    attention = np.asarray(trace.attention(LAYER, HEAD, rows=[QUERY]))[0]
    projection = trace.traced_stack().projections[LAYER]
    assert projection is not None
    matrix = np.asarray(projection.weight.detach())[:, HEAD * 64 : (HEAD + 1) * 64]
    lengths = np.linalg.norm(np.asarray(trace.v(LAYER, HEAD)) @ matrix.T, axis=1)
    for row, key in enumerate(np.argsort(-attention)[:4]):
        said = table.locator("tbody tr").nth(row).locator("td").all_inner_texts()
        assert float(said[5]) == pytest.approx(lengths[key], rel=1e-3, abs=1e-3)
        assert float(said[6]) == pytest.approx(attention[key] * lengths[key], rel=1e-2, abs=2e-3)
    length, whole = numbers(app.get_by_test_id("neuron-output").inner_text())
    assert length == pytest.approx(float(trace.head_output(LAYER, HEAD)[QUERY].norm()), abs=0.06)
    assert whole == pytest.approx(float(attention @ lengths), abs=0.06)
    app.get_by_test_id("neuron-values").click()
    expect(app.get_by_test_id("neuron-output")).to_have_count(0)


def test_the_score_is_visible_in_a_panel_of_usual_width(app: Page):
    names = app.get_by_test_id("neuron-columns").locator("> span")
    expect(names).to_have_count(6)
    said = [text.split("\n")[0] for text in names.all_inner_texts()]
    assert said == ["query q", "key k", "q × k", "q · k", "score", "softmax"]
    for at in range(6):
        expect(names.nth(at)).to_be_in_viewport(ratio=1)


def test_collapsed_it_shows_lines_and_a_click_on_a_token_opens_its_neurons(app: Page):
    collapsed, expanded = (app.get_by_role("radio", name=name) for name in ("collapsed", "expanded"))
    expect(expanded).to_be_checked()
    app.get_by_test_id("neuron-collapse").click()
    expect(collapsed).to_be_checked()
    expect(cells(app)).to_have_count(0)
    expect(app).to_have_url(re.compile("neurons=closed"))
    app.get_by_test_id("neuron-query-6").click()
    expect(expanded).to_be_checked()
    expect(app.get_by_test_id("neuron-query-6")).to_have_attribute("aria-selected", "true")
    collapsed.click()
    app.get_by_test_id("neuron-query-tokens").focus()
    app.keyboard.press("+")
    expect(cells(app)).to_be_visible()
    cells(app).focus()
    app.keyboard.press("-")
    expect(cells(app)).to_have_count(0)


def test_everything_can_be_done_with_the_keyboard(app: Page):
    app.get_by_test_id("neuron-query-tokens").focus()
    app.keyboard.press("ArrowUp")
    expect(app.get_by_test_id("neuron-query-7")).to_have_attribute("aria-selected", "true")
    app.keyboard.press("Enter")
    expect(cells(app)).to_be_focused()
    readout = app.get_by_test_id("readout")
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowUp"):
        app.keyboard.press(key)
    expect(readout).to_contain_text("dimension 2:")
    expect(readout).to_contain_text("the → over")
    app.keyboard.press("Enter")
    expect(cells(app)).to_have_attribute("data-marked", "2 34")
    app.keyboard.press("Escape")
    expect(cells(app)).to_have_attribute("data-marked", "")


def test_rows_align_with_those_of_the_head_view(app: Page):
    for token in (0, 4, 8):
        here, there = (app.get_by_test_id(f"{name}-{token}").bounding_box() for name in ("neuron-key", "key"))
        assert here and there
        assert here["y"] == pytest.approx(there["y"], abs=2)


def test_the_selected_query_stays_visible_in_long_texts(page: Page, app_server: str):
    text = " ".join(["one two three four five six seven eight nine ten"] * 60)
    visit(page, app_server, text=text, token="q500")
    expect(page.get_by_test_id("neuron-key-500")).to_be_visible()
    assert page.locator("[data-testid^=neuron-key-]").count() < 80
    page.get_by_test_id("neuron-stage").evaluate("stage => { stage.scrollTop = 0 }")
    expect(page.get_by_test_id("neuron-key-2")).to_be_visible()
    expect(page.get_by_test_id("neuron-collapse")).to_be_in_viewport()
    point(page, "product", 2, 5)
    expect(page.get_by_test_id("readout")).to_contain_text("dimension 5:")


def test_a_view_that_was_scrolled_stays_where_it_is_when_its_height_changes(page: Page, app_server: str):
    text = " ".join(["one two three four five six seven eight nine ten"] * 60)
    visit(page, app_server, text=text, token="q500")
    expect(page.get_by_test_id("neuron-key-500")).to_be_visible()
    page.set_viewport_size({"width": 1400, "height": 700})
    expect(page.get_by_test_id("neuron-key-500")).to_be_visible()
    stage = page.get_by_test_id("neuron-stage")
    stage.evaluate("stage => { stage.scrollTop = 0 }")
    expect(page.get_by_test_id("neuron-key-2")).to_be_visible()
    before = stage.evaluate("stage => stage.clientHeight")
    page.set_viewport_size({"width": 1400, "height": 850})
    stage.evaluate(
        """async (stage, before) => {
            while (stage.clientHeight <= before) await new Promise(requestAnimationFrame);
            await new Promise((done) => setTimeout(done, 300));
        }""",
        before,
    )
    assert stage.evaluate("stage => stage.scrollTop") == 0


def test_without_queries_and_keys_the_neuron_view_explains_why_it_is_empty(page: Page, tmp_path: Path):
    weights = np.tril(np.ones((2, 3, 3), dtype=np.float32))
    weights /= weights.sum(axis=-1, keepdims=True)
    attnscope.Trace.from_attention([weights], ["a", "b", "c"]).save(tmp_path / "given.trace")
    with running_app("serve", str(tmp_path / "given.trace")) as url:
        page.goto(url)
        expect(page.get_by_test_id("neuron-unknown")).to_contain_text("no neurons to show")
        page.get_by_role("radio", name="collapsed").click()
        expect(page.get_by_test_id("neuron-query-2")).to_be_visible()
