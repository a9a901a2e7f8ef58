"""Packed sequences (`position_ids` that begin again): a trace shows what the model's own plain call computes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models

from attnscope import Model

pytestmark = pytest.mark.core

LENGTHS = (5, 4, 3)
FIRST = LENGTHS[0]


def packed() -> dict[str, Any]:
    positions = [position for length in LENGTHS for position in range(length)]
    return {"input_ids": torch.tensor([tiny_models.ids(len(positions))]), "position_ids": torch.tensor([positions])}


def eager(hf_model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    """Transformers' own eager pass."""
    other = copy.deepcopy(hf_model)
    other.set_attn_implementation("eager")
    with torch.no_grad():
        return other(**inputs, output_attentions=True, **options)


def assert_attention(trace: Any, attentions: Any) -> None:
    for layer, weights in enumerate(attentions):
        for head in range(weights.shape[1]):
            torch.testing.assert_close(trace.attention(layer, head), weights[0, head].float(), atol=1e-5, rtol=0)


FAMILIES = ["llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt_neox", "phi3", "olmo2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trace_shows_what_the_plain_call_computes_and_says_that_the_cache_matters(family: str) -> None:
    hf_model, inputs = tiny_models.build(family), packed()
    own, apart = eager(hf_model, inputs), eager(hf_model, inputs, use_cache=False)
    differ = not torch.allclose(own.logits, apart.logits, atol=1e-3)
    trace = Model(hf_model).trace(inputs)
    assert_attention(trace, own.attentions)
    assert trace.logits is not None
    torch.testing.assert_close(trace.logits, own.logits[0], atol=1e-3, rtol=1e-4)
    assert any(f"begin again at token {FIRST}" in warning for warning in trace.warnings) is differ
    assert Model(hf_model).check(trace).ok
    assert Model(hf_model).check(inputs).ok


@pytest.mark.parametrize("family", FAMILIES)
def test_use_cache_false_among_the_inputs_keeps_the_sequences_apart(family: str) -> None:
    hf_model, inputs = tiny_models.build(family), {**packed(), "use_cache": False}
    trace = Model(hf_model).trace(inputs)
    assert_attention(trace, eager(hf_model, inputs).attentions)
    assert not trace.warnings


def test_most_families_let_packed_sequences_attend_to_each_other_only_with_a_cache() -> None:
    hf_model, inputs = tiny_models.build("llama"), packed()
    assert eager(hf_model, inputs).attentions[0][0, :, FIRST:, :FIRST].any()
    assert not eager(hf_model, inputs, use_cache=False).attentions[0][0, :, FIRST:, :FIRST].any()


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2"])
def test_a_generation_from_packed_sequences_shows_its_own_steps(family: str) -> None:
    hf_model, inputs = tiny_models.build(family), packed()
    other = copy.deepcopy(hf_model)
    other.set_attn_implementation("eager")
    with torch.no_grad():
        own = other.generate(
            **inputs, do_sample=False, max_new_tokens=4, output_attentions=True, return_dict_in_generate=True
        )
    model = Model(hf_model)
    trace = model.generate(inputs, 4).trace
    assert [token.id for token in trace.tokens] == own.sequences[0].tolist()
    assert any(f"begin again at token {FIRST}" in warning for warning in trace.warnings)
    prompt = sum(LENGTHS)
    for layer, weights in enumerate(own.attentions[0]):
        torch.testing.assert_close(trace.attention(layer, 1)[:prompt, :prompt], weights[0, 1], atol=1e-5, rtol=0)
    again = model.trace(trace.inputs)
    for layer in range(len(own.attentions[0])):
        torch.testing.assert_close(again.attention(layer, 1), trace.attention(layer, 1), atol=1e-5, rtol=0)
    states = model.states(trace)
    assert trace.logits is not None
    torch.testing.assert_close(states.logits(states.layers), trace.logits, atol=1e-3, rtol=1e-4)


def test_a_model_whose_config_turns_the_cache_off_keeps_the_sequences_apart() -> None:
    hf_model, inputs = tiny_models.build("llama"), packed()
    hf_model.config.use_cache = False
    trace = Model(hf_model).trace(inputs)
    assert_attention(trace, eager(hf_model, inputs).attentions)
    assert not trace.attention(0, 0)[FIRST:, :FIRST].any()
    assert not trace.warnings


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_learned_positions_that_begin_again_are_traced_as_called(family: str) -> None:
    hf_model, inputs = tiny_models.build(family), packed()
    own, apart = eager(hf_model, inputs), eager(hf_model, inputs, use_cache=False)
    trace = Model(hf_model).trace(inputs)
    assert_attention(trace, own.attentions)
    assert bool(trace.warnings) is not torch.allclose(own.logits, apart.logits, atol=1e-3)


def test_each_row_of_a_batch_of_packed_inputs_is_read_as_it_is_called() -> None:
    hf_model, one = tiny_models.build("llama"), packed()
    rows = {name: torch.cat([value, value]) for name, value in one.items()}
    together, apart = Model(hf_model).trace(rows), Model(hf_model).trace({**rows, "use_cache": False})
    assert isinstance(together, list) and isinstance(apart, list)
    assert all(trace.attention(0, 0)[FIRST:, :FIRST].any() for trace in together)
    assert not any(trace.attention(0, 0)[FIRST:, :FIRST].any() for trace in apart)


def test_positions_of_a_base_model_are_compared_without_logits() -> None:
    torch.manual_seed(0)
    hf_model = tf.LlamaModel(tiny_models.build("llama").config).eval()
    trace = Model(hf_model).trace(packed())
    assert_attention(trace, eager(hf_model, packed()).attentions)
    assert any("packed sequences" in warning for warning in trace.warnings)
