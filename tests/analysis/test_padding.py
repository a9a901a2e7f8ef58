"""Padding is neither a query nor a key of any measure, and a query counts only where it may attend to the measure's keys."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import tiny_models
from helpers.reference_measures import measures

import attnscope
from attnscope import analysis
from attnscope.trace import Trace

pytestmark = pytest.mark.core

IDS = tiny_models.ids(9) + tiny_models.ids(5)  # with repeated tokens


def padded(ids: list[int], *, left: int = 0, right: int = 0) -> dict[str, torch.Tensor]:
    mask = [0] * left + [1] * len(ids) + [0] * right
    return {"input_ids": torch.tensor([[0] * left + ids + [0] * right]), "attention_mask": torch.tensor([mask])}


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("off_sink", [False, True])
@pytest.mark.parametrize("family", ["bert", "modernbert", "llama", "mistral", "gpt_oss", "bloom", "deberta_v2"])
def test_a_padded_text_has_the_measures_of_the_text_alone(family: str, off_sink: bool) -> None:
    model = attnscope.Model(tiny_models.build(family))
    alone = model.trace({"input_ids": torch.tensor([IDS])})
    sides = {"right": {"right": 6}} if family in ("bert", "modernbert", "deberta_v2") else {"left": {"left": 6}}
    for side in (sides | {"right": {"right": 6}}).values():
        trace = model.trace(padded(IDS, **side))
        assert sum(token.padding for token in trace.tokens) == 6
        same(analysis.heads(trace, off_sink=off_sink), analysis.heads(alone, off_sink=off_sink))


def test_a_padded_batch_of_minilm_has_the_measures_of_each_text_alone(minilm: attnscope.Model, tmp_path) -> None:
    texts = ["the cat sat on the mat", "the quick brown fox jumps over the lazy dog and then sleeps in the old barn"]
    batch = minilm.tokenizer(texts, padding=True, return_tensors="pt")
    for trace, text in zip(minilm.trace(dict(batch)), texts, strict=True):
        alone = minilm.trace(text)
        same(analysis.heads(trace), analysis.heads(alone))
        same(analysis.heads(trace, off_sink=True), analysis.heads(alone, off_sink=True))
        same(analysis.similarity(trace, queries=None), analysis.similarity(alone, queries=None))
        same(
            analysis.decays(trace).sort_values(["layer", "head"], ignore_index=True),
            analysis.decays(alone).sort_values(["layer", "head"], ignore_index=True),
        )
        edge = analysis.edge(trace, 2, 1).sort_values(["layer", "head"], ignore_index=True)
        same(edge, analysis.edge(alone, 2, 1).sort_values(["layer", "head"], ignore_index=True))
        trace.save(tmp_path / "padded.trace")
        same(analysis.heads(attnscope.open(tmp_path / "padded.trace")), analysis.heads(alone))


def test_the_entropy_of_a_padded_text_is_that_of_its_own_rows(minilm: attnscope.Model) -> None:
    batch = minilm.tokenizer(["the cat", "the quick brown fox jumps"], padding=True, return_tensors="pt")
    model = minilm.hf_model
    with torch.no_grad():
        model.set_attn_implementation("eager")
        weights = model(**batch, output_attentions=True).attentions[3][0, 4].double()
        model.set_attn_implementation("sdpa")
    rows = weights[: int(batch["attention_mask"][0].sum())]
    entropy = float(-(rows * rows.clamp(min=1e-300).log()).sum(-1).mean())
    table = analysis.heads(minilm.trace(dict(batch))[0]).set_index(["layer", "head"])
    assert table.loc[(3, 4), "entropy"] == pytest.approx(entropy, rel=1e-4)


def test_the_padding_of_a_target_does_not_count() -> None:
    model = attnscope.Model(tiny_models.build("bart"))
    source, target = tiny_models.ids(7), [2, *tiny_models.ids(5)]
    alone = model.trace(source, target=target)
    inputs = padded(source, right=3)
    inputs["decoder_input_ids"] = torch.tensor([target + [0] * 4])
    inputs["decoder_attention_mask"] = torch.tensor([[1] * len(target) + [0] * 4])
    trace = model.trace(inputs)
    for stack in ("encoder", "decoder", "cross"):
        same(analysis.heads(trace, stack), analysis.heads(alone, stack))


@pytest.mark.parametrize("padding", [0, 5])
def test_measures_of_a_window_count_the_queries_that_may_attend_to_their_keys(padding: int) -> None:
    model = attnscope.Model(tiny_models.build("mistral"))
    trace = model.trace(padded(IDS, left=padding))
    table = analysis.heads(trace).set_index(["layer", "head"])
    tokens = trace.tokens
    for layer in range(3):
        weights = trace.attention(layer, 1).double()
        window = [
            float(weights[i, padding]) for i in range(padding, min(padding + 5, len(tokens)))
        ]  # a window of 5 keys
        assert table.loc[(layer, 1), "first_token"] == pytest.approx(sum(window) / len(window), rel=1e-4)
        assert table.loc[(layer, 1), "sinks"] == pytest.approx(sum(window) / len(window), rel=1e-4)
        expected = measures(
            weights.numpy(),
            trace.scores(layer, 1).isfinite().numpy(),
            ids=[token.id for token in tokens],
            special=[token.special for token in tokens],
            sentences=[None] * len(tokens),
            causal=True,
            padding=[token.padding for token in tokens],
        )
        found = {name: value for name, value in table.loc[(layer, 1)].items() if not math.isnan(value)}
        assert found == pytest.approx(expected, abs=2e-4)


def test_sentences_out_of_reach_are_not_counted_as_0() -> None:
    """Worked by hand: a decoder's second sentence looks back at the first; the first never at the second."""
    weights = np.zeros((1, 1, 4, 4), np.float32)
    weights[0, 0] = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.3, 0.4]]
    trace = Trace.from_attention([weights], ["a", "b", "[SEP]", "d"], sentence_b_start=2)
    (row,) = analysis.heads(trace).to_dict("records")
    assert row["a_to_a"] == pytest.approx(1) and math.isnan(row["a_to_b"])
    assert row["b_to_a"] == pytest.approx((0.5 + 0.3) / 2)
    assert row["special_tokens"] == pytest.approx((0.5 + 0.3) / 2)  # only the last two may attend to [SEP]
    assert row["sinks"] == pytest.approx((1 + 0.5 + (0.2 + 0.5) + (0.1 + 0.3)) / 4)
