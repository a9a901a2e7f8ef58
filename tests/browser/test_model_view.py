"""The model view: all heads at a glance, by pointer and by keyboard, with one selection for all views."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

TEXT = "The doctor asked the nurse a question. She"
LAYERS, HEADS = 30, 9


@pytest.fixture
def app(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with head 9.4 selected and all thumbnails loaded."""
    address = {"model": "smollm2", "text": TEXT, "layer": "9", "heads": "4"}
    page.goto(f"{app_server}#{urlencode(address)}")
    expect(grid(page)).to_have_attribute("data-layers", str(LAYERS))
    return page


def grid(page: Page) -> Locator:
    return page.get_by_test_id("model-grid")


def point(page: Page, layer: int, head: int) -> dict[str, float]:
    """The position of a head's thumbnail, from the upper left of the grid."""
    pitch = grid(page).get_attribute("data-pitch")
    assert pitch
    across, down, left, top = map(float, pitch.split())
    return {"x": left + (head + 0.4) * across, "y": top + (layer + 0.4) * down}


def drawn(page: Page) -> list[list[int]]:
    """The number of pixels in each head's thumbnail that are darker than its lightest: [layer][head]."""
    count = """(canvas, [layers, heads, across, down]) => {
        const ratio = canvas.width / canvas.clientWidth;
        const context = canvas.getContext("2d");
        return Array.from({ length: layers }, (_, layer) => Array.from({ length: heads }, (_, head) => {
            const box = [head * across, layer * down, across - 6, down - 6].map((side) => Math.round(side * ratio));
            const { data } = context.getImageData(...box);
            const reds = [];
            for (let at = 0; at < data.length; at += 4) reds.push(data[at]);
            const most = Math.max(...reds);
            return reds.filter((red) => red < most - 40).length;
        }));
    }"""
    pitch = grid(page).get_attribute("data-pitch")
    assert pitch
    across, down, *_ = map(float, pitch.split())
    return page.get_by_test_id("model-picture").evaluate(count, [LAYERS, HEADS, across, down])


@pytest.mark.parametrize("look", ["lines", "map"])
def test_every_head_is_drawn_and_heads_differ(app: Page, look: str):
    app.get_by_test_id("model-view").get_by_role("radio", name=look).click()
    expect(grid(app)).to_have_attribute("data-look", look)
    app.wait_for_timeout(200)
    pixels = drawn(app)
    assert all(count > 0 for layer in pixels for count in layer)
    assert len({count for layer in pixels for count in layer}) > 20
    expect(app.get_by_test_id("model-legend")).to_contain_text("each thumbnail scaled to its own maximum")


def test_pointing_at_a_head_names_it_and_its_largest_weight(app: Page):
    grid(app).hover(position=point(app, 9, 4))
    expect(app.get_by_test_id("readout")).to_have_text(
        re.compile(r"^head 9\.4 · .+ → .+ 0\.\d\d .*without the first token")
    )
    grid(app).hover(position=point(app, 17, 0))
    expect(app.get_by_test_id("readout")).to_contain_text("head 17.0")
    app.get_by_test_id("query-8").hover()
    expect(app.get_by_test_id("readout")).to_contain_text("head 9.4")


def test_a_click_selects_a_head_and_a_shift_click_adds_one(app: Page):
    layer, heads = app.get_by_test_id("layer"), app.get_by_role("group", name="Heads")
    on = heads.locator("[aria-pressed=true]")
    grid(app).click(position=point(app, 14, 3))
    expect(layer).to_have_value("14")
    expect(on).to_have_text(["3"])
    grid(app).click(position=point(app, 14, 7), modifiers=["Shift"])
    expect(on).to_have_text(["3", "7"])
    expect(app).to_have_url(re.compile("layer=14&heads=3,7"))
    grid(app).click(position=point(app, 2, 5), modifiers=["Shift"])
    expect(layer).to_have_value("2")
    expect(on).to_have_text(["5"])
    app.keyboard.press("Control+z")
    expect(layer).to_have_value("14")


def test_keys_zoom_in_and_out(app: Page):
    grid(app).focus()
    app.keyboard.press("ArrowRight")
    expect(app.get_by_test_id("readout")).to_contain_text("head 9.5")
    expect(grid(app).get_by_role("gridcell")).to_have_text(re.compile(r"^Head 9\.5: .+ to .+ 0\.\d\d"))
    app.keyboard.press("ArrowDown")
    app.keyboard.press("Home")
    expect(app.get_by_test_id("readout")).to_contain_text("head 10.0")
    app.keyboard.press("Control+End")
    expect(app.get_by_test_id("readout")).to_contain_text("head 29.8")
    app.keyboard.press("ArrowDown")
    expect(app.get_by_test_id("readout")).to_contain_text("head 29.8")
    app.keyboard.press("Enter")
    expect(app.get_by_test_id("layer")).to_have_value("29")
    expect(app.get_by_test_id("query-tokens")).to_be_focused()
    app.keyboard.press("End")
    expect(app.get_by_test_id("query-8")).to_have_class(re.compile("active"))
    app.keyboard.press("Enter")
    side = app.get_by_test_id("side-panel")
    expect(side.locator(":focus")).to_have_count(1)
    app.keyboard.press("Escape")
    expect(app.get_by_test_id("query-tokens")).to_be_focused()
    app.keyboard.press("Escape")
    app.keyboard.press("Escape")
    expect(grid(app)).to_be_focused()
    expect(app.get_by_test_id("readout")).to_contain_text("head 29.8")


def test_a_reload_shows_the_same(app: Page):
    grid(app).click(position=point(app, 20, 6))
    app.get_by_test_id("model-view").get_by_role("radio", name="map").click()
    divider = app.get_by_test_id("divider-model")
    divider.focus()
    app.keyboard.press("ArrowRight")
    width = divider.get_attribute("aria-valuenow")
    app.reload()
    expect(grid(app)).to_have_attribute("data-layers", str(LAYERS))
    expect(grid(app)).to_have_attribute("data-look", "map")
    expect(app.get_by_test_id("layer")).to_have_value("20")
    expect(app.get_by_test_id("head-6")).to_have_attribute("aria-pressed", "true")
    expect(app.get_by_test_id("head-5")).to_have_attribute("aria-pressed", "false")
    expect(divider).to_have_attribute("aria-valuenow", str(width))


def test_dividers_can_be_dragged_and_reset(app: Page):
    divider = app.get_by_test_id("divider-head")
    before = divider.get_attribute("aria-valuenow")
    assert before
    box = divider.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + 300
    app.mouse.move(x, y)
    app.mouse.down()
    app.mouse.move(x + 90, y, steps=4)
    app.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", str(int(before) + 90))
    divider.dblclick()
    expect(divider).to_have_attribute("aria-valuenow", before)


def test_a_view_can_take_the_whole_width_and_escape_restores_it(app: Page):
    app.get_by_test_id("whole-model").click()
    expect(app.get_by_test_id("head-view")).to_be_hidden()
    box = grid(app).bounding_box()
    assert box and box["width"] > 1300
    app.keyboard.press("Escape")
    expect(app.get_by_test_id("head-view")).to_be_visible()


def test_below_900_pixels_the_views_are_tabs(app: Page):
    app.set_viewport_size({"width": 700, "height": 900})
    views = {name: app.get_by_test_id(f"{name}-view") for name in ("model", "head")} | {
        "side": app.get_by_test_id("side-panel")
    }
    for name in views:
        app.get_by_test_id(f"tab-{name}").click()
        for other, view in views.items():
            expect(view).to_be_visible(visible=other == name)
    app.get_by_test_id("tab-model").click()
    grid(app).click(position=point(app, 12, 1))
    grid(app).press("Enter")
    expect(views["head"]).to_be_visible()
    expect(app.get_by_test_id("layer")).to_have_value("12")
    expect(app.get_by_test_id("query-tokens")).to_be_focused()
