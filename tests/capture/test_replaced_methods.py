"""Forward methods that were replaced on single modules run in the clone, on the clone's own modules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch
from helpers import tiny_models
from torch import nn

import attnscope
from attnscope.capture import replaced_forward, structural_clone
from attnscope.errors import UnsupportedError

pytestmark = pytest.mark.core

IDS = tiny_models.ids(8)
_global_forward: Callable[..., Any] = print  # replaced by each test


def _calls_a_global(*args, **kwargs):
    output = _global_forward(*args, **kwargs)
    return (output[0] / 2, *output[1:])


def _closure(module: nn.Module):
    old = module.forward

    def new(*args, **kwargs):
        output = old(*args, **kwargs)
        return (output[0] / 2, *output[1:])

    return new


def _with_global(module: nn.Module):
    global _global_forward
    _global_forward = module.forward
    return _calls_a_global


def _bound(module: nn.Module):
    def new(self, *args, **kwargs):
        output = type(self).forward(self, *args, **kwargs)
        return (output[0] / 2, *output[1:])

    return MethodType(new, module)


def _bound_closure(module: nn.Module):
    wrapped = _closure(module)
    return MethodType(lambda self, *args, **kwargs: wrapped(*args, **kwargs), module)


def _partial(module: nn.Module):
    def new(inner, *args, **kwargs):
        output = type(inner).forward(inner, *args, **kwargs)
        return (output[0] / 2, *output[1:])

    return functools.partial(new, module)


def _default(module: nn.Module):
    def new(*args, old=module.forward, **kwargs):
        output = old(*args, **kwargs)
        return (output[0] / 2, *output[1:])

    return new


def _wrapped(module: nn.Module):
    return functools.wraps(module.forward)(_closure(module))


def _compiled(module: nn.Module):
    return torch.compile(_closure(module), backend="eager")


@pytest.mark.parametrize(
    "replace",
    [_closure, _with_global, _bound, _bound_closure, _partial, _default, _wrapped, _compiled],
    ids=lambda one: one.__name__.strip("_"),
)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_an_attention_module_with_another_forward_method_is_traced_as_it_computes(family: str, replace) -> None:
    model = tiny_models.build(family)
    block = model.model.layers[1] if family == "llama" else model.transformer.h[1]
    name = "self_attn" if family == "llama" else "attn"
    attention = getattr(block, name)
    attention.forward = replace(attention)
    replaced = attention.forward
    reference = tiny_models.build(family)  # the same change, made with a hook
    other = (reference.model.layers[1] if family == "llama" else reference.transformer.h[1]).get_submodule(name)
    other.register_forward_hook(lambda _module, _args, output: (output[0] / 2, *output[1:]))
    reference.set_attn_implementation("eager")
    with torch.no_grad():
        expected = reference(torch.tensor([IDS]), output_attentions=True)
    trace = attnscope.Model(model).trace(IDS)
    for layer, weights in enumerate(expected.attentions):
        for head in range(4):
            torch.testing.assert_close(trace.attention(layer, head), weights[0, head], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=1e-4, rtol=1e-3)
    assert attention.forward is replaced and model.config._attn_implementation == "sdpa"


def test_a_whole_model_with_another_forward_method_is_traced() -> None:
    expected = attnscope.Model(tiny_models.build("llama")).trace(IDS)
    for change in (
        lambda model: setattr(model, "forward", lambda *args, old=model.forward, **kwargs: old(*args, **kwargs)),
        lambda model: setattr(model, "forward", torch.compile(model.forward, backend="eager")),
        lambda model: setattr(model, "forward", MethodType(type(model).forward, model)),
        lambda model: model.compile(backend="eager"),
        lambda model: model.model.layers[0].compile(backend="eager"),
    ):
        model = tiny_models.build("llama")
        change(model)
        trace = attnscope.Model(model).trace(IDS)
        assert torch.equal(trace.attention(2, 1), expected.attention(2, 1)) and trace.certificate.ok


def test_a_function_without_references_to_the_model_is_kept() -> None:
    model = tiny_models.build("llama")
    scale = 2.0
    model.model.layers[0].mlp.note = note = lambda value: value * scale
    assert structural_clone(model).model.layers[0].mlp.note is note


def _own_attention(
    self, hidden_states, position_embeddings=None, attention_mask=None, past_key_values=None, **_options
):
    def heads(projection: nn.Linear) -> torch.Tensor:
        found = projection(hidden_states).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        return found.repeat_interleave(self.config.num_attention_heads // found.shape[1], dim=1)

    q, k, v = heads(self.q_proj), heads(self.k_proj), heads(self.v_proj)
    output = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return self.o_proj(output.transpose(1, 2).flatten(2)), None


@pytest.mark.parametrize("layers", [[1], [0, 1, 2]], ids=["one", "all"])
def test_replaced_attention_outside_the_interface_is_named(layers: list[int], monkeypatch) -> None:
    model = tiny_models.build("llama")
    for layer in layers:
        attention = model.model.layers[layer].self_attn
        attention.forward = MethodType(_own_attention, attention)
    where = rf"model\.layers\.{layers[0]}\.self_attn \(LlamaAttention\) was replaced by .*_own_attention"
    with pytest.raises(UnsupportedError, match=where):
        attnscope.Model(model).trace(IDS)


def test_a_class_whose_forward_method_was_replaced_is_named(monkeypatch) -> None:
    model = tiny_models.build("llama")
    monkeypatch.setattr(type(model.model.layers[0].self_attn), "forward", _own_attention)
    with pytest.raises(
        UnsupportedError, match=r"layers\.0\.self_attn \(LlamaAttention\) was replaced by .*_own_attention"
    ):
        attnscope.Model(model).trace(IDS)


@pytest.mark.parametrize("family", [*tiny_models.FAMILIES, *tiny_models.OUTSIDE_INTERFACE, *tiny_models.SEQ2SEQ])
def test_transformers_own_modules_are_not_taken_for_replaced(family: str) -> None:
    found = {name: replaced_forward(module) for name, module in tiny_models.build(family).named_modules()}
    assert not {name: one for name, one in found.items() if one is not None}
