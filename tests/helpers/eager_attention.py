"""Encoder, decoder and cross-attention as reported by transformers' own eager implementation."""

from __future__ import annotations

import copy
from typing import Any

import torch

import attnscope

ATTENTIONS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}


def eager_outputs(model: Any, **inputs: Any) -> Any:
    """The output of a copy of the model with transformers' own eager attention."""
    other = copy.deepcopy(model)
    other.set_attn_implementation("eager")
    with torch.no_grad():
        return other(**{name: torch.as_tensor(ids) for name, ids in inputs.items()}, output_attentions=True)


def assert_same_attention(trace: attnscope.Trace, expected: Any) -> None:
    """Assert that each of the three stacks has the weights that the model reports."""
    assert list(trace.stacks) == ["encoder", "decoder", "cross"]
    for stack, name in ATTENTIONS.items():
        layers = getattr(expected, name)
        assert trace.stacks[stack].layers == len(layers)
        for layer, weights in enumerate(layers):
            for head in range(weights.shape[1]):
                shown = trace.attention(layer, head, stack)
                torch.testing.assert_close(shown, weights[0, head], atol=1e-5, rtol=0)
