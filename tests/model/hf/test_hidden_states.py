"""States that overflow in the model itself, and attention modes that differ, are named as the cause."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.errors import UnsupportedError
from attnscope.model.hf.hidden_states import relative

pytestmark = pytest.mark.core

IDS = tiny_models.ids(8)


@pytest.mark.parametrize(
    ("family", "block"),
    [
        ("gpt2", "transformer.h.1"),
        ("llama", "model.layers.1"),
        ("bert", "bert.encoder.layer.1"),
        ("bloom", "transformer.h.1"),
    ],
)
def test_states_that_overflow_in_float16_are_named_with_the_first_layer(family: str, block: str) -> None:
    model = tiny_models.build(family).half()
    with torch.no_grad():
        for parameter in model.get_submodule(block).parameters():
            if parameter.ndim == 2:
                parameter.mul_(3000)
        states = model(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    assert [bool(state.isfinite().all()) for state in states] == [True, True, False, False]  # the output of layer 1
    with pytest.raises(UnsupportedError, match=r"infinite or NaN from layer 1 on, .*float16.*dtype='bfloat16'"):
        attnscope.Model(model).trace(IDS)
    assert attnscope.Model(model.float()).trace(IDS).certificate.ok or family == "bloom"  # it only reports weights


def test_weights_that_are_nan_are_not_blamed_on_the_dtype() -> None:
    model = tiny_models.build("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight[IDS[3]] = torch.nan
    with pytest.raises(
        UnsupportedError, match=r"NaN from its embeddings on, .*its weights \(in float32\) may be damaged"
    ):
        attnscope.Model(model).trace(IDS)


def test_logits_that_are_nan_are_mentioned() -> None:
    model = tiny_models.build("llama").half()
    with torch.no_grad():
        model.lm_head.weight.mul_(60000)
    trace = attnscope.Model(model).trace(IDS)
    assert trace.logits is not None and bool(torch.softmax(trace.logits[-1], -1).isnan().any())
    assert any("overflow in float16" in warning for warning in trace.warnings)


def test_a_value_that_only_one_pass_loses_is_an_infinite_difference() -> None:
    first, second = torch.tensor([1.0, torch.inf, torch.nan]), torch.tensor([1.0, torch.nan, torch.inf])
    assert relative(first, second) == 0
    assert relative(first, torch.tensor([1.0, 1.0, torch.nan])) == torch.inf


def test_a_model_that_reports_weights_only_in_another_mode_is_sent_there() -> None:
    def falcon(mode: str):
        torch.manual_seed(0)
        config = tf.FalconConfig(
            vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True, initializer_range=0.2
        )
        return tf.AutoModelForCausalLM.from_config(config, attn_implementation=mode).eval()

    model = falcon("sdpa")  # its two modes scale ALiBi differently
    with torch.no_grad():
        first, second = (one(torch.tensor([IDS])).logits for one in (model, falcon("eager")))
    assert float((first - second).abs().max()) > 1e-2
    expected = r"other hidden states with its eager attention than with 'sdpa' \(.*attn_implementation='eager'"
    with pytest.raises(UnsupportedError, match=expected):
        attnscope.Model(model).trace(IDS)
    assert attnscope.Model(falcon("eager")).trace(IDS).stacks["decoder"].layers == 2


def test_a_model_whose_eager_mode_computes_something_else_is_sent_to_sdpa() -> None:
    model = tiny_models.build("llama")
    for module in model.modules():
        module.own_config = [model.config]  # copied with the module
    model.model.layers[0].mlp.register_forward_hook(
        lambda module, _args, output: output * (3 if module.own_config[0]._attn_implementation == "eager" else 1)
    )
    model.set_attn_implementation("eager")
    with pytest.raises(UnsupportedError, match=r"with 'eager' attention than with 'sdpa'.*attn_implementation='sdpa'"):
        attnscope.Model(model).trace(IDS)
    model.set_attn_implementation("sdpa")
    assert attnscope.Model(model).trace(IDS).certificate.ok
