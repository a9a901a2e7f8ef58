"""Two prompts compared: the numbers of the head view, the neurons and the tables are those of two traces in Python."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import attnscope

SHE = "The doctor asked the nurse a question. She"
HE = "The doctor asked the nurse a question. He"
OLD = "The old doctor asked the nurse a question. She"


def compare(page: Page, prompt: str, name: str = "She − He") -> None:
    page.get_by_test_id("baseline").click()
    page.get_by_test_id("baseline-text").fill(prompt)
    page.get_by_test_id("baseline-prompt").click()
    expect(page.get_by_test_id("legend-scale")).to_have_text(f"{name}, √ scale, ±1", timeout=120_000)


@pytest.fixture
def compared(page: Page, app_server: str) -> Page:
    """The app on "… She" against "… He" in head 9.3, showing the difference."""
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': SHE, 'layer': '9', 'heads': '3'})}")
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    compare(page, HE)
    return page


@pytest.fixture(scope="module")
def weights(smollm2: attnscope.Model) -> tuple[np.ndarray, np.ndarray]:
    """Head 9.3 before and after, [query, key]."""
    before, after = (smollm2.trace(text).attention(9, 3).numpy() for text in (HE, SHE))
    return before, after


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def numbers(text: str) -> list[float]:
    return [number(one) for one in re.findall(r"[+−]?\d+\.\d{4}", text)]


def test_the_difference_of_two_prompts_is_beside_every_token_and_in_the_readout(
    compared: Page, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    before, after = weights
    row = after[8] - before[8]
    expect(compared.get_by_test_id("query-8")).to_have_attribute("aria-label", re.compile(r"^He / She, token 8"))
    compared.get_by_test_id("query-8").hover()
    for key in range(9):
        expect(compared.get_by_test_id(f"key-{key}")).to_have_attribute("aria-label", re.compile(r"difference"))
        label = compared.get_by_test_id(f"key-{key}").get_attribute("aria-label") or ""
        assert number(label.rsplit("difference ", 1)[1]) == pytest.approx(row[key], abs=0.0051)
    readout = compared.get_by_test_id("readout")
    expect(readout).to_contain_text("He / She")
    pattern = re.compile(r"→\s+nurse\s+([+−][\d.]+)\s+\(([\d.]+) → ([\d.]+)\).*rank 1 of 9.*head 9\.3", re.DOTALL)
    expect(readout).to_have_text(pattern)
    found = pattern.search(readout.inner_text())
    assert found and int(np.argmax(np.abs(row))) == 4
    for text, value in zip(found.groups(), (row[4], before[8, 4], after[8, 4]), strict=True):
        assert number(text) == pytest.approx(value, abs=0.0051)


def test_the_legend_says_how_much_of_all_change_is_not_drawn(
    compared: Page, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    change = np.abs(weights[1] - weights[0])
    slider = compared.get_by_test_id("threshold")
    slider.focus()
    for _ in range(13):
        slider.press("ArrowRight")
    expect(compared).to_have_url(re.compile(r"threshold=0\.1"))
    legend = compared.get_by_test_id("legend-notes")
    pattern = re.compile(r"not drawn: changes under 0\.1, ([\d.]+)% of them all")
    expect(legend).to_contain_text(pattern)
    found = pattern.search(legend.inner_text())
    share = float(change[change < 0.1].sum() / change.sum())
    assert found and float(found[1]) / 100 == pytest.approx(share, abs=0.01)


def test_after_shows_the_weight_of_both_passes_and_before_shows_the_baseline(
    compared: Page, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    before, after = weights
    compared.get_by_test_id("field-after").click()
    compared.get_by_test_id("query-8").hover()
    nurse = compared.get_by_test_id("key-4")
    expect(nurse).to_have_attribute("aria-label", re.compile(r"0\.\d+, before 0\.\d+$"))
    found = re.search(r"(0\.\d+), before (0\.\d+)$", nurse.get_attribute("aria-label") or "")
    assert found
    assert [float(text) for text in found.groups()] == pytest.approx([after[8, 4], before[8, 4]], abs=0.0051)
    compared.get_by_test_id("field-before").click()
    expect(compared.get_by_test_id("query-8")).to_have_attribute("aria-label", re.compile(r"^He, token 8"))
    compared.get_by_test_id("query-8").hover()
    expect(compared.get_by_test_id("readout")).to_contain_text(re.compile(rf"nurse\s+{before[8, 4]:.2f}"))


def test_tokens_without_a_counterpart_have_no_difference(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': OLD, 'layer': '9', 'heads': '3'})}")
    expect(page.get_by_test_id("query-9")).to_be_visible(timeout=240_000)
    compare(page, SHE, "after − before")
    expect(page.get_by_test_id("key-1")).to_have_class(re.compile("unaligned"))
    page.get_by_test_id("query-9").hover()
    expect(page.get_by_test_id("key-1")).to_have_attribute("aria-label", re.compile("not aligned, not aligned$"))
    expect(page.get_by_test_id("key-2")).to_have_attribute("aria-label", re.compile(r"difference [+−]?[\d.]+$"))


def test_the_tables_have_before_after_and_difference(compared: Page, weights: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = weights
    row = after[8] - before[8]
    compared.get_by_test_id("query-8").click()
    compared.get_by_role("tab", name="Weights").click()
    table = compared.get_by_role("grid", name="Largest differences").get_by_role("row")
    expect(table.nth(0)).to_contain_text("before")
    for at, key in enumerate(np.argsort(-np.abs(row))[:3]):
        expect(table.nth(at + 1)).to_contain_text(re.compile(r"\d\.\d{4}"))
        wanted = [before[8, key], after[8, key], row[key]]
        assert numbers(table.nth(at + 1).inner_text())[:3] == pytest.approx(wanted, abs=2e-4)
    compared.get_by_test_id("key-4").click()
    compared.get_by_role("tab", name="Heads for a pair").click()
    heads = compared.get_by_role("grid", name=re.compile("largest difference first"))
    mine = heads.locator("[data-head='9.3']")
    expect(mine).to_have_attribute("data-testid", "edge-0")
    assert numbers(mine.inner_text())[:3] == pytest.approx([before[8, 4], after[8, 4], row[4]], abs=2e-4)


def test_the_table_is_read_with_the_keyboard(compared: Page) -> None:
    compared.get_by_test_id("query-8").click()
    compared.get_by_role("tab", name="Weights").click()
    table = compared.get_by_role("grid", name="Largest differences")
    expect(table.get_by_role("row").nth(1)).to_contain_text("nurse")
    table.focus()
    compared.keyboard.press("ArrowDown")
    compared.keyboard.press("ArrowDown")
    expect(table).to_have_attribute("aria-activedescendant", "weight-1")
    expect(compared.get_by_test_id("readout")).to_contain_text("doctor")
    compared.keyboard.press("Enter")
    expect(compared.get_by_test_id("key-1")).to_have_attribute("aria-selected", "true")


def test_neurons_show_the_difference_of_the_products(compared: Page, weights: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = weights
    compared.get_by_test_id("query-8").click()
    expect(compared.get_by_test_id("neuron-difference")).to_have_text("She − He")
    expect(compared.get_by_test_id("neuron-check")).to_contain_text("✓")
    first = compared.get_by_test_id("neuron-table").locator("tbody tr").nth(0).locator("td")
    expect(first.nth(0)).to_have_text("nurse")
    assert number(first.nth(1).inner_text()) == pytest.approx(after[8, 4] - before[8, 4], abs=2e-3)
    assert number(first.nth(3).inner_text()) * 0.125 == pytest.approx(number(first.nth(2).inner_text()), abs=0.02)


def test_the_key_e_and_a_right_click_open_the_change_of_a_token(compared: Page) -> None:
    compared.get_by_test_id("query-8").click()
    compared.get_by_test_id("query-tokens").focus()
    compared.keyboard.press("e")
    box = compared.get_by_test_id("change-box")
    expect(box).to_be_visible()
    compared.keyboard.press("Escape")
    expect(box).to_have_count(0)
    compared.get_by_test_id("key-4").click(button="right")
    expect(box).to_be_visible()
