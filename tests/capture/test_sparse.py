"""Models whose indexer selects the keys of each query: other keys are masked, and the rest is exact."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope

pytestmark = pytest.mark.core

CHOSEN = 4


def test_sparse_attention_equals_the_models_own() -> None:
    torch.manual_seed(0)
    config = tf.DeepseekV32Config(
        vocab_size=tiny_models.VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
        intermediate_size=32, moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2, n_group=2, topk_group=1,
        q_lora_rank=8, kv_lora_rank=8, qk_rope_head_dim=8, qk_nope_head_dim=8, qk_head_dim=16, v_head_dim=8, index_topk=CHOSEN,
        index_head_dim=16, index_n_heads=4,
    )  # fmt: skip
    model, ids = tf.DeepseekV32ForCausalLM(config).eval(), [*tiny_models.ids(12), 20]
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(ids)
    reference = copy.deepcopy(model)
    reference.config._attn_implementation = "eager"
    with torch.no_grad():
        expected = reference(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    for layer, weights in enumerate(expected):
        for head in range(4):
            torch.testing.assert_close(trace.attention(layer, head), weights[0, head], atol=1e-5, rtol=0)
    assert int(trace.scores(0, 0)[-1].isfinite().sum()) == CHOSEN
    assert wrapped.check(ids).ok
    assert list(trace.stacks) == ["decoder"], "no query sees a key after itself, whichever it chooses"
    assert trace.next_tokens is not None
    assert trace.next_tokens[0][1] == int(reference(input_ids=torch.tensor([ids])).logits[0, -1].argmax())


def test_a_stop_token_may_be_a_list() -> None:
    config = tf.LlamaConfig(
        vocab_size=tiny_models.VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
        eos_token_id=[7, 9],
    )  # fmt: skip
    assert attnscope.Model(tf.LlamaForCausalLM(config).eval()).trace(tiny_models.ids()).certificate.ok
