"""Layers keep the model's own numbers, even if some have no attention."""

from __future__ import annotations

import pytest
import transformers as tf

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core


def test_a_hybrid_keeps_its_own_layer_numbers_and_a_wrapper_shows_its_language_part() -> None:
    sizes = {
        "vocab_size": 99, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32,
    }  # fmt: skip
    kinds = ["conv", "full_attention", "full_attention", "conv"]
    hybrid = tf.Lfm2ForCausalLM(tf.Lfm2Config(**sizes, num_hidden_layers=4, layer_types=kinds))
    trace = attnscope.Model(hybrid.eval()).trace([5, 6, 7])
    assert [shape is not None for shape in trace.stacks["decoder"].shapes] == [False, True, True, False]
    with pytest.raises(InputError, match="no attention"):
        trace.attention(0, 0)

    tower = tf.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    text = tf.LlamaConfig(**sizes, num_hidden_layers=3)
    wrapped = tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(text_config=text, vision_config=tower, image_token_index=98)
    ).eval()
    spoken = attnscope.Model(wrapped).trace([5, 6, 7])
    assert {name: stack.layers for name, stack in spoken.stacks.items()} == {"decoder": 3}
    assert spoken.certificate.ok
