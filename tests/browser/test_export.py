"""The exported file opened from disk: no server, no network, and no token text is executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from helpers import tiny_models
from playwright.sync_api import Page, expect

import attnscope
from attnscope.analysis.edges import edge_of
from attnscope.edits import CutEdge, PatchHead, ScaleHead, SetAttention

NURSE = "The doctor asked the nurse a question. She"
HOSTILE = [
    "</script><script>window.ran = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.ran = 2'>",
    "a\u2028b\u2029c",
    "\u202egnorw\u202c",
    "nul\x00nul",
    "half \ud83d",
    "'\"><svg onload=window.ran=3>",
]


def opened(page: Page, path: Path, address: str = "") -> list[str]:
    """Open a file and wait for some of its tokens. Returns the addresses of all its requests, a list that keeps growing."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{path.as_uri()}{address}")
    expect(page.get_by_test_id(re.compile(r"^query-\d+$")).first).to_be_visible()
    return asked


def weight_read(page: Page, *parts: str) -> list[float]:
    """The weight and, if present, the score in the readout, once it contains all the parts."""
    for part in parts:
        expect(page.get_by_test_id("readout")).to_contain_text(part)
    said = (page.get_by_test_id("readout").text_content() or "").replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+\.\d\d+", said)]


def test_a_file_shows_all_views_from_disk_with_numbers_that_match_python_and_no_requests(
    page: Page, smollm2: attnscope.Model, tmp_path: Path, complaints: list[str]
) -> None:
    trace = smollm2.trace(NURSE)
    path = attnscope.export(trace, tmp_path / "nurse.html", layer=9, heads=[4])
    asked = opened(page, path)
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "30")
    expect(page.get_by_test_id("given-text")).to_contain_text(NURSE)
    expect(page.get_by_test_id("run")).to_have_count(0)
    page.get_by_test_id("query-8").hover()
    weights, scores = trace.attention(9, 4)[8], trace.scores(9, 4)[8]
    key = int(weights.argmax())
    weight, score = weight_read(page, "She → nurse", "head 9.4")
    assert weight == pytest.approx(float(weights[key]), abs=1e-4)
    assert score == pytest.approx(float(scores[key]), abs=0.006)
    expect(page.get_by_test_id("neuron-check")).to_contain_text("Σ q×k = q·k ✓")
    page.get_by_test_id("certificate").click()
    expect(page.get_by_test_id("rounding")).to_contain_text("every attention weight is within")
    page.keyboard.press("Escape")

    page.get_by_test_id("layer").select_option("16")
    expect(page).to_have_url(re.compile(r"^file://.*layer=16"))
    page.reload()
    expect(page.get_by_test_id("layer")).to_have_value("16")
    page.get_by_test_id("query-8").hover()
    assert weight_read(page, "head 16.4")[0] == pytest.approx(float(trace.attention(16, 4)[8].max()), abs=1e-4)

    page.evaluate("location.hash = 'layer=9&heads=4&pins=q8,k4&side=edges'")
    edge = edge_of(trace, 8, 4)
    for at, head in enumerate(edge.weight.argsort(descending=True)[:3].tolist()):
        row = page.get_by_test_id(f"edge-{at}")
        expect(row).to_contain_text(f"{edge.layer[head]}.{edge.head[head]}")
        shown = re.findall(r"0\.\d{3,4}", row.inner_text())
        assert float(shown[0]) == pytest.approx(float(edge.weight[head]), abs=6e-4)
        expect(row).to_contain_text(f"{edge.rank[head]} of 9")

    assert complaints == []
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)") == "TypeError"
    assert "Content Security Policy" in " ".join(complaints)
    complaints.clear()
    assert all(url.startswith(("file://", "blob:", "data:")) for url in asked)


def test_a_file_of_an_edited_forward_pass_shows_its_weights_and_edits(
    page: Page, tmp_path: Path, complaints: list[str]
) -> None:
    words = "the king of the hill saw a queen"
    model = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer(words))
    other = model.trace("a queen of the king saw the hill")
    edits = [
        CutEdge(1, 1, 6, 2),
        SetAttention(1, 1, 4, 1, 0.7),
        PatchHead(1, 2, other),
        ScaleHead(1, 0, 0.0),
    ]
    trace = model.trace(words, edits=edits)
    path = attnscope.export(trace, tmp_path / "changed.html", layer=1, heads=[1])
    opened(page, path, "#layer=1&heads=1&token=q6")
    page.get_by_test_id("neuron-key-2").hover()
    assert weight_read(page, "a → of", "cut: score −∞")[0] == 0
    expect(page.get_by_test_id("neuron-check")).to_contain_text("Σ q×k = q·k ✓")
    page.mouse.move(5, 5)
    for head, query in ((1, 6), (1, 4), (2, 7), (0, 5)):
        page.evaluate(f"location.hash = 'layer=1&heads={head}&token=q{query}'")
        row = trace.attention(1, head)[query]
        assert float(row.sum()) == pytest.approx(1, abs=1e-5)
        weight = weight_read(page, f"head 1.{head}", f"{words.split()[query]} ")[0]
        assert weight == pytest.approx(float(row.max()), abs=1e-4)
        set_by_an_edit = (head, query) in ((1, 4), (2, 7))
        expect(page.get_by_text("an edit set the weights of this row")).to_have_count(int(set_by_an_edit))
    page.get_by_test_id("edits").click()
    expect(page.get_by_text("edge from “a” (token 6) to “of” (token 2) cut in head 1.1")).to_be_visible()
    assert complaints == []


def test_a_file_without_all_layers_says_which_it_has_and_its_deep_link_works(
    page: Page, smollm2: attnscope.Model, tmp_path: Path
) -> None:
    trace = smollm2.trace("Nobody could say why the train was late again, but people had a book. " * 20)
    path = attnscope.export(trace, tmp_path / "train.html", layers=[2, 5])
    opened(page, path, "#layer=5&heads=3&token=q200")
    expect(page.get_by_text("Only layers 2, 5 are in this file; the other layers were omitted.")).to_be_visible()
    expect(page.get_by_test_id("model-grid")).to_have_attribute("data-layers", "2")
    expect(page.get_by_test_id("layer").locator("option:disabled")).to_have_count(28)
    expect(page.get_by_test_id("layer")).to_have_value("5")
    expect(page.get_by_test_id("query-200")).to_be_in_viewport()
    row = trace.attention(5, 3, rows=[200])[0]
    assert weight_read(page, "head 5.3")[0] == pytest.approx(float(row.max()), abs=0.009)


def test_hostile_tokens_are_text_and_are_never_executed(page: Page, tmp_path: Path) -> None:
    count = len(HOSTILE)
    weights = torch.softmax(torch.randn(2, 3, count, count, generator=torch.Generator().manual_seed(0)), -1)
    trace = attnscope.Trace.from_attention(list(weights), HOSTILE)
    path = attnscope.export(trace, tmp_path / "hostile.html", title=HOSTILE[0], layer=1, heads=[2])
    text = path.read_text()
    assert text.count("<script") == text.count("</script>") == 2 + text.count(" data-block=")
    opened(page, path)
    for index, token in enumerate(HOSTILE[:3]):
        expect(page.get_by_test_id(f"query-{index}")).to_contain_text(token.replace(" ", "␣"))
    page.get_by_test_id("query-0").hover()
    assert weight_read(page, "head 1.2")[0] == pytest.approx(float(weights[1, 2, 0].max()), abs=1e-3)
    expect(page.get_by_test_id("neuron-unknown")).to_be_visible()
    assert page.title() == HOSTILE[0]
    assert page.evaluate("window.ran") is None
    assert page.locator("img, svg[onload]").count() == 0
