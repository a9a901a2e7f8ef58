"""An offline page that a person saves from the app opens with the view that was on show."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

NURSE = "The doctor asked the nurse a question. She"
SHADOW = "document.querySelector('.attnscope').shadowRoot"
INPUT = ("model", "text", "pair", "trace")


def opened(page: Page, app_server: str, **parts: str) -> Page:
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': NURSE, **parts})}")
    expect(page.get_by_test_id("query-5")).to_be_visible(timeout=240_000)
    expect(page.get_by_test_id("model-arrival")).to_have_text("")
    return page


def save_page(page: Page, folder: Path) -> Path:
    page.get_by_test_id("export-page").click()
    with page.expect_download() as download:
        page.get_by_test_id("save-page").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def on_show(page: Page) -> dict[str, object]:
    """What a person sees of the state: pressed and checked buttons, values of controls, selected tokens, visible panels.

    Controls that need a model are left out, because a saved page has none.
    """
    expect(page.get_by_test_id("model-arrival")).to_have_text("")
    return page.evaluate(
        f"""() => {{
            const all = (selector) => [...{SHADOW}.querySelectorAll(selector)].filter(one => one.getClientRects().length);
            const LIVE = ["head-factor"];
            const name = (one) => one.dataset.testid ?? one.getAttribute("aria-label") ?? one.textContent;
            return {{
                pressed: all("main [aria-pressed=true]").map(name),
                chosen: all("main [role=radio][aria-checked=true], main [role=tab][aria-selected=true]").map(name),
                values: all("main select, main input").map(one => [name(one), one.value])
                    .filter(([name]) => !LIVE.includes(name)),
                pinned: all("[role=option][aria-selected=true]").map(one => one.id),
                panels: all("[data-panel]").map(one => one.dataset.panel),
                shapes: all("[data-panel]").map(one => Math.round(one.getBoundingClientRect().width)),
                measure: all("[data-testid=measure-menu]").map(one => one.textContent),
                scale: all("[data-testid=look]").map(one => one.textContent),
                ranked: all("[data-head]").slice(0, 5).map(one => one.dataset.head),
                heading: all("[data-testid=side-panel] .title").map(one => one.textContent),
                query: all("[data-testid=query-tokens]").map(one => one.getAttribute("aria-activedescendant")),
                neuron: all("[data-testid=neuron-cells]").map(one => one.getAttribute("aria-label")),
                thumbnails: all("[data-testid=model-legend]").map(one => one.textContent),
                theme: {SHADOW}.querySelector(".app").dataset.theme,
            }};
        }}"""
    )


def view_of(url: str) -> dict[str, str]:
    """The part of an address that describes the view."""
    return {name: value for name, value in parse_qsl(urlsplit(url).fragment) if name not in INPUT}


def pinned_edge(page: Page) -> None:
    """Two pins, the ranking of heads, and a tint."""
    page.get_by_test_id("query-8").click()
    page.get_by_test_id("key-4").click()
    page.get_by_test_id("side-edges").click()
    page.get_by_test_id("measure-menu").click()
    page.get_by_test_id("measure-entropy").click()
    page.get_by_role("radio", name="by rank").click()
    page.keyboard.press("Escape")


def filtered_heads(page: Page) -> None:
    """Several heads, filters, a scale, a palette, maps, rows of tokens, the weights, and the theme."""
    page.get_by_test_id("head-2").click()
    page.get_by_test_id("layer").select_option("12")
    page.get_by_test_id("sinks").select_option("renormalized")
    page.get_by_test_id("top").select_option("3")
    page.get_by_test_id("threshold").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("turn").click()
    page.get_by_role("radio", name="map", exact=True).click()
    page.get_by_test_id("look").click()
    page.get_by_role("radio", name="log").click()
    page.get_by_role("radio", name="cividis").click()
    page.get_by_role("radio", name="dark").click()
    page.keyboard.press("Escape")
    page.get_by_test_id("side-weights").click()
    page.get_by_test_id("divider-model").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("threshold=.*widths="))


def full_neurons(page: Page) -> None:
    """A marked dimension, another order, value vectors, and the neurons over the whole width."""
    page.get_by_test_id("query-4").click()
    page.get_by_role("radio", name="contribution").click()
    page.get_by_test_id("neuron-values").click()
    page.get_by_test_id("whole-side").click()
    page.get_by_test_id("neuron-cells").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("neuron="))


def zoomed_model(page: Page) -> None:
    """One head fills the model view; the neurons are closed."""
    page.get_by_test_id("neuron-expander").get_by_role("radio").first.click()
    page.get_by_test_id("model-grid").focus()
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile("camera="))


@pytest.mark.parametrize("arrange", [pinned_edge, filtered_heads, full_neurons, zoomed_model])
def test_the_saved_page_shows_the_view_that_was_on_show(page: Page, app_server: str, tmp_path: Path, arrange) -> None:
    opened(page, app_server, layer="9", heads="4")
    arrange(page)
    page.mouse.move(1, 1)
    page.wait_for_timeout(1000)  # the address follows at most every 600 ms
    seen, view = on_show(page), view_of(page.url)
    assert len(view) > 3, view
    path = save_page(page, tmp_path)
    page.goto(path.as_uri())
    expect(page.get_by_test_id("given-text")).to_contain_text(NURSE)
    expect(page.get_by_test_id("model-arrival")).to_have_text("")
    expect(page.locator("[role=option][aria-selected=true]:visible")).to_have_count(len(seen["pinned"]))
    page.mouse.move(1, 1)
    page.wait_for_timeout(1000)
    assert on_show(page) == seen
    assert view_of(page.url) == view


def test_a_sentence_pair_keeps_its_filter_and_the_file_its_name(page: Page, app_server: str, tmp_path: Path) -> None:
    page.goto(f"{app_server}#{urlencode({'model': 'minilm', 'text': 'The cat: sat/on', 'pair': 'the mat?'})}")
    expect(page.get_by_test_id("query-5")).to_be_visible(timeout=240_000)
    page.get_by_role("radio", name="A → B").click()
    page.get_by_test_id("head-3").dblclick()
    expect(page).to_have_url(re.compile("heads=3&.*filter=AB|filter=AB.*heads=3"))
    path = save_page(page, tmp_path)
    assert path.name == "attnscope-minilm-0.3-the-cat-sat-on.html"
    page.goto(path.as_uri())
    expect(page.get_by_role("radio", name="A → B")).to_be_checked()
    expect(page.get_by_test_id("head-3")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("head-2")).to_have_attribute("aria-pressed", "false")
