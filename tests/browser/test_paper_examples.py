"""The figures of the paper in the Examples menu: each opens the view that its figure shows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


@pytest.fixture
def app(page: Page, app_server: str) -> Page:
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(app_server)
    expect(page.get_by_test_id("query-0")).to_be_visible(timeout=60_000)
    return page


def choose(page: Page, example: str) -> None:
    page.get_by_test_id("examples").click()
    page.get_by_role("menuitem", name=re.compile(f"^{re.escape(example)} figure")).click()


def test_every_figure_of_the_paper_is_one_click_away(app: Page) -> None:
    app.get_by_test_id("examples").click()
    listed = " ".join(app.get_by_role("menuitem").all_inner_texts())
    assert sorted(set(re.findall(r"figure (\d)", listed))) == ["1", "2", "3", "4", "5", "6", "7"]


def test_figures_5_to_7_open_their_view(app: Page) -> None:
    choose(app, "Two cats: all heads")
    expect(app.get_by_test_id("model-menu")).to_contain_text("MiniLM", timeout=60_000)
    expect(app.get_by_test_id("model-grid")).to_have_attribute("data-layers", "6")
    expect(app.get_by_role("region", name="Head view")).to_have_count(0)
    box = app.get_by_role("region", name="Model view").bounding_box()
    assert box is not None and box["width"] > 1200

    choose(app, "Two cats: neurons")
    neurons = app.get_by_test_id("side-panel")
    expect(neurons).to_be_visible(timeout=60_000)
    expect(app.get_by_test_id("layer")).to_have_value("0")
    expect(app.get_by_test_id("readout")).to_contain_text("cat 2 → the 1")
    expect(neurons).to_contain_text("0.2")

    choose(app, "Fox: neurons and distance")
    expect(app.get_by_test_id("model-menu")).to_contain_text("SmolLM2", timeout=60_000)
    expect(app.get_by_test_id("layer")).to_have_value("11")
    expect(app.get_by_test_id("readout")).to_contain_text("lazy → ")
    expect(neurons).to_contain_text("11.0")

    choose(app, "Two cats: all heads")
    expect(app.get_by_role("region", name="Head view")).to_have_count(0, timeout=60_000)
    choose(app, "Fox")
    expect(app.get_by_role("region", name="Head view")).to_be_visible(timeout=60_000)
