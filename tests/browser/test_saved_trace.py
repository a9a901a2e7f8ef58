"""A saved trace, served without its model: all views work, and unsupported actions are explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from helpers.app_process import running_app
from playwright.sync_api import Page, expect

import attnscope

NURSE = "The doctor asked the nurse a question. She"


def test_a_saved_trace_shows_all_three_views_and_explains_what_is_unsupported(
    page: Page, smollm2: attnscope.Model, tmp_path: Path
) -> None:
    trace = smollm2.trace(NURSE)
    trace.save(tmp_path / "nurse.trace")
    with running_app("serve", str(tmp_path / "nurse.trace")) as url:
        page.goto(f"{url}#layer=9&heads=4")
        expect(page.get_by_test_id("query-8")).to_contain_text("She", timeout=60_000)
        expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "30")
        page.get_by_test_id("query-8").hover()
        expect(page.get_by_test_id("readout")).to_contain_text(re.compile(r"She → nurse.*0\.4\d.*head 9\.4"))
        expect(page.get_by_test_id("neuron-check")).to_contain_text("Σ q×k = q·k ✓")
        expect(page.get_by_test_id("given-text")).to_contain_text(NURSE)
        expect(page.get_by_test_id("run")).to_have_count(0)
        expect(page.get_by_test_id("certificate")).to_contain_text(re.compile(r"^recorded: exact to \de-\d"))
        page.get_by_test_id("certificate").click()
        expect(page.get_by_role("dialog")).to_contain_text("as recorded in the file; it was not checked again")
        expect(page.get_by_role("button", name="Run the full check")).to_have_count(0)


def test_attention_weights_alone_are_shown_and_the_neuron_view_explains_why_it_is_empty(
    page: Page, tmp_path: Path
) -> None:
    weights = torch.softmax(torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)), -1)
    trace = attnscope.Trace.from_attention(list(weights), ["a", "<b>", "c", "d"], sentence_b_start=2)
    trace.save(tmp_path / "given.trace")
    with running_app("serve", str(tmp_path / "given.trace")) as url:
        page.goto(f"{url}#layer=1&heads=2")
        expect(page.get_by_test_id("query-1")).to_contain_text("<b>", timeout=60_000)
        page.get_by_test_id("query-3").hover()
        shown = page.get_by_test_id("readout").text_content() or ""
        assert float(re.findall(r"0\.\d+", shown)[0]) == pytest.approx(float(weights[1, 2, 3].max()), abs=0.01)
        assert re.search(r"rank 1 ·", shown), "how many keys may be looked at is not known"
        expect(page.get_by_test_id("certificate")).to_contain_text("not checked")
        page.get_by_test_id("neuron-unknown").get_by_role("button", name="Show weights").click()
        expect(page.get_by_role("grid", name="Largest weights")).to_contain_text("1.2")
