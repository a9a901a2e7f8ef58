"""Traces of synthetic attention weights."""

from __future__ import annotations

import numpy as np
import torch

import attnscope


def uniform_weights(*shape: int) -> torch.Tensor:
    """Attention with the same weight on every key; keys are the last axis."""
    return torch.full(shape, 1 / shape[-1])


def random_trace(
    tokens: list[str], layers: int = 1, heads: int = 2, sentence_b_start: int | None = None
) -> attnscope.Trace:
    """A trace of random causal weights."""
    draw = np.random.default_rng(len(tokens))
    attentions = []
    for _ in range(layers):
        weights = np.tril(np.exp(2 * draw.normal(size=(heads, len(tokens), len(tokens)))))
        attentions.append((weights / weights.sum(-1, keepdims=True)).astype(np.float32))
    return attnscope.Trace.from_attention(attentions, tokens, sentence_b_start)
