"""Models that only know eager attention: there a mask that is missing hides no key, whatever the other kernels take it for."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope

pytestmark = pytest.mark.core


def test_an_encoder_that_only_knows_eager_attention_looks_both_ways() -> None:
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
