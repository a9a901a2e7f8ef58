"""Value-weighted attention and attention rollout."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import analysis
from attnscope.errors import UnsupportedError

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


@pytest.fixture(scope="module")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    return minilm.trace(TEXT, pair=PAIR)


def test_value_weighted_attention_is_the_norm_of_terms_that_sum_to_the_head_output(minilm, cats) -> None:
    weighted = analysis.value_weighted(cats, 1, 4)
    dense = minilm.hf_model.encoder.layer[1].attention.output.dense.weight[:, 4 * 32 : 5 * 32]
    vectors = cats.v(1, 4) @ dense.T.detach()
    loops = torch.tensor(
        [[float((a * x).norm()) for a, x in zip(row, vectors, strict=True)] for row in cats.attention(1, 4)]
    )
    assert torch.allclose(weighted, loops, atol=1e-5)
    assert torch.allclose(cats.attention(1, 4) @ vectors, cats.head_output(1, 4), atol=1e-4)


def test_value_weighted_attention_needs_value_vectors() -> None:
    trace = attnscope.Trace.from_attention([torch.eye(3)[None, None]], list("abc"))
    with pytest.raises(UnsupportedError, match="value vectors of layer 0"):
        analysis.value_weighted(trace, 0, 0)


def test_rollout_is_the_product_over_layers_of_attention_mixed_with_the_identity(cats) -> None:
    n = len(cats.tokens)
    expected = torch.eye(n, dtype=torch.float64)
    for layer in range(6):
        mean = torch.stack([cats.attention(layer, head) for head in range(12)]).double().mean(0)
        expected = (0.5 * mean + 0.5 * torch.eye(n)) @ expected
    found = analysis.rollout(cats)
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(found.sum(1), torch.ones(n), atol=1e-5)


def test_rollout_with_learned_sinks_still_sums_to_1() -> None:
    found = analysis.rollout(attnscope.Model(tiny_models.build("gpt_oss")).trace(tiny_models.ids(9)))
    assert torch.allclose(found.sum(1), torch.ones(9), atol=1e-5)
