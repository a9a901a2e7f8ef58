"""The controls of the head view: filters, search and layout. Its numbers match the same trace in Python."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope

NURSE = "The doctor asked the nurse a question. She"
STORY = "Nobody could say why the train was late again, but the people had learned to bring a book. "


def open_at(page: Page, app_server: str, **where: str) -> None:
    page.goto(f"{app_server}#{urlencode(where)}")
    expect(page.get_by_test_id("query-0")).to_be_visible(timeout=60_000)


def legend(page: Page) -> Locator:
    return page.get_by_test_id("legend-notes")


def share(page: Page, after: str) -> float:
    """The percentage in the legend behind some words."""
    pattern = re.compile(rf"{after}[^·]*?\(([\d.]+)% of the attention")
    expect(legend(page)).to_contain_text(pattern)
    found = pattern.search(legend(page).inner_text())
    assert found
    return float(found.group(1)) / 100


def beside(page: Page, token: str) -> float:
    expect(page.get_by_test_id(token)).to_have_attribute("aria-label", re.compile(r", token \d+, [01]\.\d+$"))
    return float((page.get_by_test_id(token).get_attribute("aria-label") or "").rsplit(" ", 1)[1])


def ink(page: Page) -> int:
    """The number of colored pixels on the canvas of the lines."""
    return page.get_by_test_id("lines").evaluate(
        """canvas => {
            if (!canvas?.width || !canvas.height) return 0;
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let colored = 0;
            for (let at = 3; at < data.length; at += 4) if (data[at] > 0) colored++;
            return colored;
        }"""
    )


def until_ink(page: Page, holds: str, than: int) -> None:
    page.wait_for_function(
        f"""than => {{
            const root = document.querySelector(".attnscope").shadowRoot;
            const canvas = root.querySelector("[data-testid=lines]");
            if (!canvas?.width || !canvas.height) return false;
            const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let colored = 0;
            for (let at = 3; at < data.length; at += 4) if (data[at] > 0) colored++;
            return colored {holds} than;
        }}""",
        arg=than,
    )


def test_threshold_and_top_draw_less_and_the_legend_says_how_much_is_dropped(
    page: Page, app_server: str, smollm2: attnscope.Model
) -> None:
    open_at(page, app_server, model="smollm2", text=NURSE, layer="9", heads="4,5")
    weights = np.stack([smollm2.trace(NURSE).attention(9, head).numpy() for head in (4, 5)])
    until_ink(page, ">", 1000)
    everything = ink(page)
    slider = page.get_by_test_id("threshold")
    slider.focus()
    for _ in range(13):
        slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("threshold=0.1"))
    dropped = np.where(weights < 0.1, weights, 0).sum(-1).mean()
    assert share(page, "weights below 0.1") == pytest.approx(float(dropped), abs=0.006)
    until_ink(page, "<", everything)
    slider.press("Home")
    expect(page).not_to_have_url(re.compile("threshold="))
    page.get_by_test_id("top").select_option("2")
    best = np.sort(weights, axis=-1)[..., -2:]
    visible = np.where(best >= 0.006, best, 0)
    assert share(page, "outside the top 2") == pytest.approx(float((1 - visible.sum(-1)).mean()), abs=0.006)
    page.get_by_test_id("query-8").hover()
    named = [page.get_by_test_id(f"key-{key}").get_attribute("aria-label") or "" for key in range(9)]
    expect(page.get_by_test_id(f"key-{int(weights[0, 8].argmax())}")).to_have_attribute(
        "aria-label", re.compile(r", 0\.\d+$")
    )
    assert sum(bool(re.search(r", [01]\.\d+$", name)) for name in named) <= 4  # two per head


def test_renormalized_numbers_match_python(page: Page, app_server: str, smollm2: attnscope.Model) -> None:
    open_at(page, app_server, model="smollm2", text=NURSE, layer="13", heads="4", sinks="renormalized")
    row = smollm2.trace(NURSE).attention(13, 4)[8].clone()
    taken = smollm2.trace(NURSE).attention(13, 4)[:, 0].mean()
    assert share(page, "renormalized without the first token") == pytest.approx(float(taken), abs=0.006)
    row[0] = 0
    row /= row.sum()
    best = int(row.argmax())
    page.get_by_test_id("query-8").hover()
    expect(page.get_by_test_id("readout")).to_contain_text(re.compile(r"rank 1 of 8"))
    assert beside(page, f"key-{best}") == pytest.approx(float(row[best]), abs=0.011)
    page.get_by_test_id("query-8").click()  # the exact row from the server, also renormalized
    expect(page.get_by_test_id("readout")).to_contain_text(f"{float(row[best]):.4f}")
    page.keyboard.press("x")
    expect(page.get_by_test_id("sinks")).to_have_value("shown")


def test_token_search_finds_tokens_as_text(page: Page, app_server: str) -> None:
    open_at(page, app_server, model="smollm2", text=STORY * 12, layer="5", heads="0")
    page.get_by_test_id("query-tokens").focus()
    page.keyboard.press("f")
    page.get_by_test_id("find-text").press_sequentially("The People")
    count = page.get_by_test_id("find-count")
    expect(count).to_have_text("1 of 12")
    page.keyboard.press("Enter")
    expect(count).to_have_text("2 of 12")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(count).to_have_text("12 of 12")
    expect(page).to_have_url(re.compile(r"token=q\d{3}"))
    found = re.search(r"token=q(\d+)", page.url)
    assert found
    expect(page.get_by_test_id(f"query-{found.group(1)}")).to_be_in_viewport()
    expect(page.get_by_test_id(f"query-{found.group(1)}")).to_have_class(re.compile("found"))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("find-text")).to_have_count(0)
    expect(page.get_by_test_id("readout")).to_contain_text(re.compile("^the"))


def test_the_layout_can_be_horizontal_for_scripts_that_are_read_across(page: Page, app_server: str) -> None:
    open_at(page, app_server, model="smollm2", text=NURSE, layer="9", heads="4")
    page.get_by_test_id("turn").click()
    expect(page.get_by_test_id("query-tokens")).to_have_attribute("aria-orientation", "horizontal")
    first, second = (page.get_by_test_id(f"query-{at}").bounding_box() for at in (0, 1))
    key = page.get_by_test_id("key-0").bounding_box()
    assert first and second and key
    assert first["x"] + first["width"] <= second["x"] + 1
    assert key["y"] > first["y"] + 200
    assert abs(key["x"] - first["x"]) < 2
    page.get_by_test_id("query-8").hover()
    expect(page.get_by_test_id("readout")).to_contain_text("She → nurse")
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': 'שלום עולם טוב', 'orientation': 'rows'})}")
    expect(page.get_by_test_id("query-0")).to_contain_text("ש")
    right, left = (page.get_by_test_id(f"query-{at}").bounding_box() for at in (0, 1))
    assert right and left
    assert right["x"] >= left["x"] + left["width"] - 1


def test_two_thousand_tokens_scroll_with_a_minimap(page: Page, app_server: str) -> None:
    text = " ".join(f"word{i % 97} and" for i in range(500))
    open_at(page, app_server, model="smollm2", text=text, layer="5", heads="0,1,2")
    minimap = page.get_by_test_id("minimap")
    box = minimap.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
    token = page.get_by_test_id("query-tokens").get_by_role("option").first
    count = int(token.get_attribute("aria-setsize") or 0)
    assert count > 1900
    expect(page.get_by_test_id(f"query-{int(0.75 * count)}")).to_be_in_viewport()
    assert page.get_by_test_id("query-tokens").get_by_role("option").count() < 100
    until_ink(page, ">", 500)
    expect(legend(page)).to_contain_text(re.compile(r"not drawn: weights below 0\.006 \([\d.]+% of the attention\)"))


def test_a_click_on_a_line_selects_its_edge(page: Page, app_server: str) -> None:
    open_at(page, app_server, model="smollm2", text=NURSE, layer="9", heads="4")
    until_ink(page, ">", 1000)
    query, key = page.get_by_test_id("query-8").bounding_box(), page.get_by_test_id("key-4").bounding_box()
    assert query and key
    x = (query["x"] + query["width"] + key["x"]) / 2
    y = (query["y"] + query["height"] / 2 + key["y"] + key["height"] / 2) / 2
    page.mouse.move(x, y)
    expect(page.get_by_test_id("readout")).to_contain_text("She → nurse")
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile("pins=q8,k4"))
    expect(page.get_by_test_id("query-8")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("key-4")).to_have_attribute("aria-selected", "true")


def test_pinned_tokens_are_compared_with_numbers_that_match_the_trace(
    page: Page, app_server: str, smollm2: attnscope.Model
) -> None:
    open_at(page, app_server, model="smollm2", text=NURSE, layer="9", heads="4", side="weights", pins="q8", token="q8")
    exact = smollm2.trace(NURSE).attention(9, 4)
    rows = page.get_by_role("grid", name="Largest weights").get_by_role("row")
    expect(rows).to_have_count(10)
    best = int(exact[8].argmax())
    expect(rows.nth(1)).to_contain_text(f"{float(exact[8, best]):.4f}")
    page.get_by_role("grid", name="Largest weights").press("ArrowDown")
    expect(page.get_by_test_id("readout")).to_contain_text("She → nurse")
    page.get_by_test_id("query-4").click()
    compared = page.get_by_role("grid", name="Comparison of pinned tokens").get_by_role("row")
    expect(compared.nth(0)).to_contain_text("nurse")
    row = compared.filter(has_text=re.compile("^nurse")).nth(0)
    values = [float(text) for text in re.findall(r"\d\.\d+", row.inner_text())]
    assert values == pytest.approx([float(exact[8, 4]), float(exact[4, 4])], abs=0.006)
    page.get_by_test_id("threshold").focus()
    page.keyboard.press("End")
    expect(page.get_by_test_id("weights-limits")).to_contain_text("at least 0.9")
