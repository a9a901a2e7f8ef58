"""Models that support only eager attention: a missing mask masks no key, unlike in other kernels."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope

pytestmark = pytest.mark.core


def test_an_eager_only_encoder_is_bidirectional() -> None:
    torch.manual_seed(0)
    config = tf.AlignTextConfig(
        vocab_size=tiny_models.VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
    )
    model, ids = tf.AlignTextModel(config).eval(), tiny_models.ids()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(ids)
    assert list(trace.stacks) == ["encoder"]
    for layer, weights in enumerate(expected):
        for head in range(4):
            torch.testing.assert_close(trace.attention(layer, head), weights[0, head], atol=1e-5, rtol=0)
    assert trace.attention(0, 0)[0, -1] > 0
    assert wrapped.check(ids).ok
