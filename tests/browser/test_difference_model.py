"""Differences in the model view, as a person makes and reads them: two prompts, a head turned off, the matrix, exports."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope import Trace

TEXT = "The doctor asked the nurse a question. She"
OTHER = "The doctor asked the nurse a question. He"
LAYER, HEAD, QUERY, KEY = 9, 3, 8, 4
RUN_MS = 240_000


@pytest.fixture(scope="module")
def passes(smollm2: attnscope.Model) -> tuple[Trace, Trace]:
    """The same two prompts in Python: the current pass, and the baseline."""
    return smollm2.trace(TEXT), smollm2.trace(OTHER)


def change(passes: tuple[Trace, Trace], layer: int, head: int) -> torch.Tensor:
    after, before = (torch.as_tensor(trace.attention(layer, head)) for trace in passes)
    return after - before


def legend(page: Page) -> Locator:
    return page.get_by_test_id("model-legend")


def grid(page: Page) -> Locator:
    return page.get_by_test_id("model-grid")


@pytest.fixture
def compared(page: Page, app_server: str) -> Page:
    """The app on She, compared with He, with the difference on show and all thumbnails loaded."""
    address = {"model": "smollm2", "text": TEXT, "layer": str(LAYER), "heads": str(HEAD), "scale": "root"}
    page.goto(f"{app_server}#{urlencode(address)}")
    expect(page.get_by_test_id(f"query-{QUERY}")).to_be_visible(timeout=RUN_MS)
    page.get_by_test_id("baseline").click()
    page.get_by_test_id("baseline-text").fill(OTHER)
    page.get_by_test_id("baseline-prompt").click()
    expect(legend(page)).to_contain_text("She − He", timeout=RUN_MS)
    expect(page.get_by_test_id("model-arrival")).to_have_text("", timeout=RUN_MS)
    return page


def center(page: Page, layer: int, head: int) -> dict[str, float]:
    pitch = grid(page).get_attribute("data-pitch")
    assert pitch
    across, down, left, top = map(float, pitch.split())
    return {"x": left + (head + 0.4) * across, "y": top + (layer + 0.4) * down}


def cell(page: Page, query: int, key: int) -> dict[str, float]:
    """The position of a cell of the current matrix, from the upper left of the grid."""
    matrix = grid(page).get_attribute("data-matrix")
    assert matrix
    _, x, y, wide, high, first_query, _, first_key, _ = matrix.split()
    column, row = key - int(first_key) + 0.5, query - int(first_query) + 0.5
    return {"x": float(x) + column * float(wide), "y": float(y) + row * float(high)}


def test_the_legend_says_the_largest_difference_of_all_heads(compared: Page, passes: tuple[Trace, Trace]) -> None:
    largest = max(float(change(passes, layer, head).abs().max()) for layer in range(30) for head in range(9))
    expect(legend(compared)).to_contain_text(f"one √ scale, ±{f'{largest:.2f}'[1:]}")
    expect(legend(compared)).to_contain_text("gray: no change")


def test_a_head_reads_out_its_largest_change(compared: Page, passes: tuple[Trace, Trace]) -> None:
    difference = change(passes, LAYER, HEAD)
    grid(compared).hover(position=center(compared, LAYER, HEAD))
    readout = compared.get_by_test_id("readout")
    expect(readout).to_contain_text("largest change")
    text = readout.inner_text()
    found = re.search(r"He / She → (\S+)\s+([+−]0\.\d\d)", text)
    assert found, text
    value = float(found[2].replace("−", "-"))
    row = difference[QUERY]
    assert abs(value - float(row[row.abs().argmax()])) < 0.01


def test_a_cell_of_the_matrix_reads_out_both_passes(compared: Page, passes: tuple[Trace, Trace]) -> None:
    grid(compared).dblclick(position=center(compared, LAYER, HEAD))
    expect(grid(compared)).to_have_attribute("data-matrix", re.compile(rf"^{LAYER}\.{HEAD} "))
    expect(grid(compared)).to_have_attribute("data-moving", "false")
    margins = compared.get_by_test_id("matrix-margins")
    expect(margins.locator(f"[data-query='{QUERY}']")).to_have_text("He / She")
    grid(compared).hover(position=cell(compared, QUERY, KEY))
    after, before = (float(torch.as_tensor(trace.attention(LAYER, HEAD))[QUERY, KEY]) for trace in passes)
    readout = compared.get_by_test_id("readout")
    # The page has two meaningful digits of each pass or more.
    expect(readout).to_contain_text(re.compile(r"[+−]0\.\d\d"))
    numbers = re.findall(r"[+−]?0\.\d+", readout.inner_text().split("head")[0])
    found = [float(number.replace("−", "-")) for number in numbers[:3]]
    assert found == pytest.approx([after - before, before, after], abs=0.006)


def test_a_measure_is_the_difference_of_both_passes(compared: Page) -> None:
    compared.get_by_test_id("measure-menu").click()
    compared.get_by_test_id("measure-entropy").click()
    compared.keyboard.press("Escape")
    measure = compared.get_by_test_id("measure-legend")
    expect(measure).to_contain_text("She − He", timeout=RUN_MS)
    ends = re.findall(r"[+−]\d\.\d+", measure.inner_text())
    assert ends[0].replace("−", "+") == ends[-1], "both ends of a difference are equally far from 0"
    expect(legend(compared)).to_contain_text("tint: She − He")


def test_the_figure_names_both_passes(compared: Page, tmp_path: Path) -> None:
    compared.get_by_test_id("export-model").click()
    with compared.expect_download() as saved:
        compared.get_by_test_id("save-model-svg").click()
    svg = tmp_path / "model.svg"
    saved.value.save_as(svg)
    text = svg.read_text()
    assert "270 heads: She − He" in text
    assert "Difference: She − He" in text
    assert OTHER in text
    assert "blue is larger after than before" in re.sub(r"</text>\s*<text[^>]*>", " ", text)


def test_a_head_that_is_off_has_a_mark_and_leaves_the_layers_before_it_equal(page: Page, app_server: str) -> None:
    address = {"model": "smollm2", "text": TEXT, "layer": "23", "heads": "3", "scale": "root"}
    page.goto(f"{app_server}#{urlencode(address)}")
    expect(page.get_by_test_id("head-off")).to_be_visible(timeout=RUN_MS)
    page.get_by_test_id("head-off").click()
    expect(page.get_by_test_id("changed-heads")).to_have_text(re.compile(r"changed: 23\.3"), timeout=RUN_MS)
    expect(page.get_by_test_id("field-switch")).to_be_visible(timeout=RUN_MS)
    page.keyboard.press("d")
    # The output of a head in layer 23 changes no attention up to that layer.
    expect(legend(page)).to_contain_text("in layers 0–23 none at all", timeout=RUN_MS)
    grid(page).hover(position=center(page, 23, 3))
    expect(page.get_by_test_id("readout")).to_contain_text("no change in this layer")


def test_a_right_click_and_the_key_e_open_the_box_of_a_head(compared: Page) -> None:
    grid(compared).click(button="right", position=center(compared, 5, 2))
    box = compared.get_by_test_id("change-box")
    expect(box).to_contain_text("5.2")
    compared.keyboard.press("Escape")
    expect(box).to_have_count(0)
    grid(compared).focus()
    compared.keyboard.press("ArrowDown")
    compared.keyboard.press("e")
    expect(box).to_be_visible()
