"""Encoder, decoder and cross attention are those of transformers' own eager implementation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny
import torch

import attnscope

ATTENTIONS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}


@pytest.fixture(scope="module", params=tiny.SEQ2SEQ)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny.build(request.param)


def eager(model: Any, **inputs: list[int]) -> Any:
    other = copy.deepcopy(model)
    other.set_attn_implementation("eager")
    with torch.no_grad():
        return other(**{name: torch.tensor([ids]) for name, ids in inputs.items()}, output_attentions=True)


@pytest.mark.parametrize(("source", "target"), [(12, 5), (4, 9), (7, 7), (1, 1)])
def test_all_three_stacks_are_the_models_own_attention(model: Any, source: int, target: int) -> None:
    ids, written = tiny.ids(source), tiny.ids(target)[::-1]
    trace = attnscope.Model(model).trace(ids, target=written)
    expected = eager(model, input_ids=ids, decoder_input_ids=written)
    assert list(trace.stacks) == ["encoder", "decoder", "cross"]
    for stack, name in ATTENTIONS.items():
        layers = getattr(expected, name)
        assert trace.stacks[stack].layers == len(layers)
        for layer, weights in enumerate(layers):
            for head in range(weights.shape[1]):
                shown = trace.attention(layer, head, stack)
                torch.testing.assert_close(shown, weights[0, head], atol=1e-5, rtol=0)
    assert trace.logits is not None
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=1e-4, rtol=1e-4)
    assert trace.certificate.ok and list(trace.certificate.stacks) == ["encoder", "decoder", "cross"]
    assert [[token.id for token in side] for side in trace.tokens_for("cross")] == [written, ids]


def test_the_certificate_compares_every_stack(model: Any) -> None:
    certificate = attnscope.Model(model).check(tiny.ids(9), target=tiny.ids(5))
    assert certificate.ok
    for layers in certificate.stacks.values():
        assert all(layer.eager_weights is not None and layer.eager_weights < 1e-5 for layer in layers)
        assert all(layer.hidden_states is not None for layer in layers)
