"""The model view, zoomed from all heads to a single weight. Numbers on the page match the same trace in Python."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope import Trace

TEXT = "The doctor asked the nurse a question. She"
LAYERS, HEADS = 30, 9
QUERY, KEY = 8, 4


@pytest.fixture(scope="module")
def trace() -> Trace:
    """The same text in Python."""
    return attnscope.load("smollm2").trace(TEXT)


def opened(page: Page, server: str, layers: int = LAYERS, **address: str) -> Page:
    page.goto(f"{server}#{urlencode({'model': 'smollm2', 'text': TEXT, 'layer': '9', 'heads': '4'} | address)}")
    expect(grid(page)).to_have_attribute("data-layers", str(layers))
    expect(page.get_by_test_id("model-arrival")).to_have_text("")
    return page


def grid(page: Page) -> Locator:
    return page.get_by_test_id("model-grid")


def center(page: Page, layer: int, head: int) -> dict[str, float]:
    pitch = grid(page).get_attribute("data-pitch")
    assert pitch
    across, down, left, top = map(float, pitch.split())
    return {"x": left + (head + 0.4) * across, "y": top + (layer + 0.4) * down}


def attention(trace: Trace) -> dict[tuple[int, int], torch.Tensor]:
    """The weights of every head, by layer and head."""
    return {
        (layer, head): torch.as_tensor(trace.attention(layer, head)) for layer in range(LAYERS) for head in range(HEADS)
    }


def at_rest(page: Page) -> None:
    expect(grid(page)).to_have_attribute("data-moving", "false")


def cell(page: Page, query: int, key: int) -> dict[str, float]:
    """The position of a cell of the current matrix, from the upper left of the grid."""
    matrix = grid(page).get_attribute("data-matrix")
    assert matrix
    _, x, y, wide, high, first_query, _, first_key, _ = matrix.split()
    column, row = key - int(first_key) + 0.5, query - int(first_query) + 0.5
    return {"x": float(x) + column * float(wide), "y": float(y) + row * float(high)}


def test_zooming_into_a_head_reads_its_cells_and_pins_them_and_zooms_out(page: Page, app_server: str, trace: Trace):
    app = opened(page, app_server)
    weights = torch.as_tensor(trace.attention(9, 4))
    readout, margins = app.get_by_test_id("readout"), app.get_by_test_id("matrix-margins")
    grid(app).dblclick(position=center(app, 9, 4))
    expect(grid(app)).to_have_attribute("data-matrix", re.compile(r"^9\.4 "))
    at_rest(app)
    expect(margins.locator("[data-query]")).to_have_text(
        ["The", "doctor", "asked", "the", "nurse", "a", "question", ".", "She"]
    )
    expect(margins.locator("[data-key='4']")).to_have_text("nurse")
    grid(app).hover(position=cell(app, QUERY, KEY))
    weight = float(weights[QUERY, KEY])
    rank = int((weights[QUERY] > weight).sum()) + 1
    expect(readout).to_have_text(re.compile(rf"^She → nurse  {weight:.2f}\d*  rank {rank} of 9 · score .+ · head 9\.4"))
    grid(app).hover(position=cell(app, 2, 6))
    expect(readout).to_contain_text("masked")
    # The keyboard reads cells too, and goes from head to head.
    grid(app).focus()
    app.keyboard.press("Shift+ArrowUp")
    expect(grid(app).get_by_role("gridcell")).to_have_text(re.compile(r"^.+ to .+: (0\.\d+, rank \d of \d|masked)"))
    app.keyboard.press("ArrowRight")
    expect(grid(app)).to_have_attribute("data-matrix", re.compile(r"^9\.5 "))
    at_rest(app)
    expect(app).to_have_url(re.compile("camera="))
    app.reload()
    expect(grid(app)).to_have_attribute("data-matrix", re.compile(r"^9\.5 "))
    expect(margins.locator("[data-key='1']")).to_have_text("doctor")
    at_rest(app)
    grid(app).click(position=cell(app, QUERY, KEY))
    expect(app.get_by_test_id("edges")).to_be_visible()
    expect(app.get_by_test_id("head-5")).to_have_attribute("aria-pressed", "true")
    grid(app).focus()
    app.keyboard.press("Escape")
    expect(grid(app)).to_have_attribute("data-zoom", "1.000")
    expect(app).not_to_have_url(re.compile("camera="))
    expect(app).to_have_url(re.compile("pins=q8,k4"))


def test_the_wheel_zooms_around_the_pointer_and_dragging_pans(page: Page, app_server: str):
    page.emulate_media(reduced_motion="reduce")
    app = opened(page, app_server)
    box = grid(app).bounding_box()
    assert box
    at = center(app, 14, 6)
    app.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    for _ in range(6):
        app.mouse.wheel(0, -100)
    expect(grid(app)).not_to_have_attribute("data-zoom", "1.000")
    at_rest(app)
    app.mouse.move(box["x"] + at["x"] + 1, box["y"] + at["y"])
    expect(app.get_by_test_id("readout")).to_contain_text("head 14.6")
    app.mouse.down()
    app.mouse.move(box["x"] + at["x"] - 60, box["y"] + at["y"] - 40, steps=3)
    app.mouse.up()
    at_rest(app)
    expect(app.get_by_test_id("layer")).to_have_value("9")
    for _ in range(12):
        app.mouse.wheel(0, 200)
    expect(grid(app)).to_have_attribute("data-zoom", "1.000")
    grid(app).focus()
    for _ in range(4):
        app.keyboard.press("+")
    expect(grid(app)).not_to_have_attribute("data-zoom", "1.000")
    app.keyboard.press("0")
    expect(grid(app)).to_have_attribute("data-zoom", "1.000")


def test_heads_are_ranked_tinted_and_filtered_by_a_measure(page: Page, app_server: str, trace: Trace):
    app = opened(page, app_server)
    app.get_by_test_id("measure-menu").click()
    app.get_by_test_id("measure-previous").click()
    app.get_by_role("radio", name="by rank").click()
    app.keyboard.press("Escape")
    values = {place: float(weights.diagonal(-1).mean()) for place, weights in attention(trace).items()}
    best = sorted(values, key=lambda place: -values[place])
    grid(app).focus()
    app.keyboard.press("Control+Home")
    spoken = grid(app).get_by_role("gridcell")
    for layer, head in best[:5]:
        expect(spoken).to_have_text(re.compile(rf"^Head {layer}\.{head}: .*Previous token {values[layer, head]:.3f}"))
        app.keyboard.press("ArrowRight")
    expect(app.get_by_test_id("head-card")).to_contain_text("Previous token")
    least = app.get_by_test_id("range-least")
    least.focus()
    for _ in range(3):
        app.keyboard.press("PageUp")
    shown = app.get_by_test_id("measure-count")
    expect(shown).to_have_text(re.compile(r"^\d+ of 270 heads$"))
    bound = float(re.search(r"range=([\d.]+)", app.url)[1])  # type: ignore[index]
    expect(shown).to_have_text(f"{sum(value >= bound for value in values.values())} of 270 heads")
    app.reload()
    expect(shown).to_have_text(f"{sum(value >= bound for value in values.values())} of 270 heads")
    expect(grid(app)).to_have_attribute("data-order", "ranking")
    app.set_viewport_size({"width": 700, "height": 900})
    app.get_by_test_id("tab-model").click()
    expect(shown).to_be_visible()


def test_heads_are_ranked_by_the_edge_from_she_to_nurse(page: Page, app_server: str, trace: Trace):
    app = opened(page, app_server, side="edges")
    expect(app.get_by_test_id("edges-hint")).to_contain_text("Pin a token on each side")
    app.get_by_test_id(f"query-{QUERY}").click()
    app.get_by_test_id(f"key-{KEY}").click()
    rows = {place: weights[QUERY] for place, weights in attention(trace).items()}
    order = sorted(rows, key=lambda place: -float(rows[place][KEY]))
    for at, place in enumerate(order[:6]):
        row = app.get_by_test_id(f"edge-{at}")
        expect(row).to_have_attribute("data-head", f"{place[0]}.{place[1]}")
        expect(row).to_contain_text(f"{float(rows[place][KEY]):.4f}")
        expect(row).to_contain_text(f"{int((rows[place] > rows[place][KEY]).sum()) + 1} of {QUERY + 1}")
    expect(app.get_by_test_id("measure-legend")).to_contain_text("She → nurse")
    table = app.get_by_test_id("edges")
    table.focus()
    app.keyboard.press("ArrowDown")
    app.keyboard.press("Enter")
    expect(app.get_by_test_id("layer")).to_have_value(str(order[1][0]))
    app.keyboard.press("End")
    expect(app.get_by_test_id("edge-269")).to_be_visible()
    app.get_by_test_id("edges-off-sink").click()
    most = max(float(row[KEY] / row[1:].sum()) for row in rows.values())
    table.focus()
    app.keyboard.press("Home")
    expect(app.get_by_test_id("edge-0")).to_contain_text(f"{most:.4f}")


def test_a_sentence_filter_crops_every_head_to_its_part(page: Page, app_server: str):
    address = {"model": "minilm", "text": "the cat sat on the mat", "pair": "the cat lay on the rug"}
    app = opened(page, app_server, layers=6, **address, filter="AB", thumbnails="map")
    part = attnscope.load("minilm").trace(address["text"], pair=address["pair"])
    weights = torch.as_tensor(part.attention(3, 4))
    expect(app.get_by_test_id("model-legend")).to_contain_text("only A → B")
    grid(app).dblclick(position=center(app, 3, 4))
    expect(grid(app)).to_have_attribute("data-matrix", re.compile(r"^3\.4 .* 0 8 8 15$"))
    at_rest(app)
    margins = app.get_by_test_id("matrix-margins")
    expect(margins.locator("[data-key]").first).to_have_text("the")
    expect(margins.locator("[data-key='10']")).to_have_text("lay")
    grid(app).hover(position=cell(app, 3, 10))
    expect(app.get_by_test_id("readout")).to_have_text(re.compile(rf"^sat → lay  {float(weights[3, 10]):.2f}"))
