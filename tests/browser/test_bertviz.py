"""The pages of the BertViz functions, opened from disk and in a notebook's frame: the right labels, layers and heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from attnscope.bertviz import head_view, model_view, neuron_view

TOKENS = ["Ġthe", "Ġcat", "</script><script>window.ran=1</script>", "Ġmat"]


def weights(heads: int, queries: int, keys: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(heads)
    return torch.randn(1, heads, queries, keys, generator=draw).mul(3).softmax(-1)


def opened(page: Page, html: str, folder: Path) -> list[str]:
    """Open the page from disk. Returns the addresses of all its requests."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    (folder / "page.html").write_text(html, encoding="utf-8")
    page.goto((folder / "page.html").as_uri())
    return asked


def test_a_head_view_shows_tokens_layers_and_numbers(page: Page, tmp_path: Path) -> None:
    attention = [weights(3, 4, 4) for _ in range(6)]
    made = head_view(attention, TOKENS, layer=4, heads=[1], include_layers=[1, 4], html_action="return")
    asked = opened(page, made.data, tmp_path)
    for at, text in enumerate(["the", "cat", "</script><script>window.ran=1</script>", "mat"]):
        expect(page.get_by_test_id(f"query-{at}")).to_contain_text(text)
    page.get_by_test_id("query-3").hover()
    row = attention[4][0, 1, 3]
    expect(page.get_by_test_id("readout")).to_contain_text(f"{float(row.max()):.4f}"[:5])
    expect(page.get_by_test_id("readout")).to_contain_text("head 4.1")
    assert page.evaluate("window.ran") is None
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def test_a_model_view_keeps_the_original_layer_and_head_numbers(page: Page, tmp_path: Path) -> None:
    made = model_view([weights(6, 4, 4)] * 5, TOKENS, include_layers=[1, 4], include_heads=[2, 5], html_action="return")
    opened(page, made.data, tmp_path)
    expect(page.get_by_test_id("model-grid")).to_be_visible()
    expect(page.get_by_text("Only layers 1, 4 are in this file")).to_be_visible()
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "2")
    expect(page.get_by_text("Only heads 2, 5 were included")).to_be_visible()


@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_encoder_decoder_and_cross_attention_are_stacks_of_one_page(page: Page, tmp_path: Path, stack: str) -> None:
    sides = {"encoder": ("src", "src"), "decoder": ("tgt", "tgt"), "cross": ("tgt", "src")}[stack]
    made = head_view(
        encoder_attention=[weights(4, 5, 5)] * 2,
        decoder_attention=[weights(3, 3, 3)] * 4,
        cross_attention=[weights(2, 3, 5)] * 4,
        encoder_tokens=[f"src{at}" for at in range(5)],
        decoder_tokens=[f"tgt{at}" for at in range(3)],
        html_action="return",
    )
    opened(page, made.data, tmp_path)
    page.get_by_test_id("head-view").get_by_role("radio", name=stack).click()
    expect(page.get_by_test_id("query-2")).to_contain_text(f"{sides[0]}2")
    expect(page.get_by_test_id("key-2")).to_contain_text(f"{sides[1]}2")


def test_the_neuron_view_works_for_any_model_in_a_notebook_frame(page: Page, tmp_path: Path, smollm2) -> None:
    made = neuron_view.show(
        smollm2.hf_model, "llama", smollm2.tokenizer, "The fox jumps", layer=11, head=0, html_action="return"
    )
    opened(page, f"<!doctype html><body>{made._repr_html_()}", tmp_path)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_test_id("neuron-check")).to_contain_text("Σ q×k = q·k ✓")
    weight = float(smollm2.trace("The fox jumps").attention(11, 0)[2, 0])
    expect(frame.get_by_test_id("neuron-table")).to_contain_text(f"{weight:.4f}"[:4])
