"""Value zeroing, compared with whole passes of the transformers model in which a hook zeroes a value."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from torch import nn

import attnscope
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.attribution import value_zeroing

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(8)
BLOCK = {
    "gpt2": "transformer.h.{}",
    "llama": "model.layers.{}",
    "mistral": "model.layers.{}",
    "bert": "bert.encoder.layer.{}",
    "olmo2": "model.layers.{}",
}
V = {
    "gpt2": "transformer.h.{}.attn.c_attn",
    "llama": "model.layers.{}.self_attn.v_proj",
    "mistral": "model.layers.{}.self_attn.v_proj",
    "bert": "bert.encoder.layer.{}.attention.self.value",
    "olmo2": "model.layers.{}.self_attn.v_proj",
}


def states(hf_model: nn.Module, block: str, values: str, key: int | None) -> torch.Tensor:
    """What a block returns [token, model_dim] if the value at `key` is zero."""
    kept = {}

    def zero(_module, _args, output):
        changed = output.clone()
        if key is not None:
            changed[:, key, -(output.shape[-1] // 3) if values.endswith("c_attn") else 0 :] = 0
        return changed

    handles = [
        hf_model.get_submodule(values).register_forward_hook(zero),
        hf_model.get_submodule(block).register_forward_hook(
            lambda _module, _args, output: kept.update(x=output[0] if isinstance(output, tuple) else output)
        ),
    ]
    with torch.no_grad():
        hf_model(torch.tensor([PROMPT]))
    for handle in handles:
        handle.remove()
    found = kept["x"]
    return (found[0] if found.ndim == 3 else found).double()


@pytest.mark.parametrize("family", BLOCK)
def test_distances_are_those_of_whole_passes_with_a_zeroed_value(family, monkeypatch):
    hf_model = tiny_models.build(family)
    model = attnscope.Model(hf_model)
    monkeypatch.setattr(value_zeroing, "TOKENS_AT_ONCE", 32)  # three keys in a batch
    found = model.value_zeroing(PROMPT)
    assert found.shape == (3, 8, 8)
    for layer in range(3):
        block, values = BLOCK[family].format(layer), V[family].format(layer)
        plain = states(hf_model, block, values, None)
        for key in range(8):
            zeroed = states(hf_model, block, values, key)
            wanted = 1 - torch.cosine_similarity(plain, zeroed, dim=-1)
            assert torch.allclose(found[layer, :, key], wanted, atol=1e-6)
    assert torch.allclose(model.value_zeroing(PROMPT, 1)[0], found[1], atol=1e-6)
    if family != "bert":
        assert not found.triu(1).any()  # exactly 0 where the key is masked


def test_one_head_is_zeroed_alone():
    hf_model = tiny_models.build("gpt2")
    model = attnscope.Model(hf_model)
    trace = model.trace(PROMPT)
    found = model.value_zeroing(trace, 1, head=2)[0]
    plain = states(hf_model, BLOCK["gpt2"].format(1), V["gpt2"].format(1), None)
    for key in range(8):
        moved = trace.attention(1, 2)[:, key, None] * trace.v(1, 2)[key]

        def subtract(_module, args, moved=moved):
            changed = args[0].clone()
            changed[0, :, 16:24] -= moved
            return (changed, *args[1:])

        handle = hf_model.get_submodule("transformer.h.1.attn.c_proj").register_forward_pre_hook(subtract)
        zeroed = states(hf_model, BLOCK["gpt2"].format(1), V["gpt2"].format(1), None)
        handle.remove()
        assert torch.allclose(found[:, key], 1 - torch.cosine_similarity(plain, zeroed, dim=-1), atol=1e-6)


def test_a_shared_module_is_zeroed_in_the_layer_that_was_asked_for():
    hf_model = tiny_models.build("albert")
    model = attnscope.Model(hf_model)
    found = model.value_zeroing(PROMPT)
    wanted = []
    for layer in range(3):
        calls = []

        def zero(_module, _args, output, layer=layer, calls=calls):
            calls.append(0)
            changed = output.clone()
            if len(calls) == layer + 1:
                changed[:, 5] = 0
            return changed

        kept = []
        group = hf_model.albert.encoder.albert_layer_groups[0].albert_layers[0]
        states_of = group.register_forward_hook(
            lambda _module, _args, output, kept=kept: kept.append(
                (output[0] if isinstance(output, tuple) else output)[0]
            )
        )
        with torch.no_grad():
            hf_model(torch.tensor([PROMPT]))
            handle = group.attention.value.register_forward_hook(zero)
            hf_model(torch.tensor([PROMPT]))
        handle.remove()
        states_of.remove()
        plain, zeroed = kept[layer].double(), kept[3 + layer].double()
        wanted.append(1 - torch.cosine_similarity(plain, zeroed, dim=-1))
    assert torch.allclose(found[:, :, 5], torch.stack(wanted), atol=1e-6)


@pytest.mark.parametrize(("family", "values"), [("bart", "v_proj"), ("t5", "v"), ("bert2gpt2", None)])
def test_cross_attention_has_the_values_of_the_source(family, values):
    hf_model = tiny_models.build(family)
    found = attnscope.Model(hf_model).value_zeroing(PROMPT, stack="cross", target=[4, 6, 9])
    assert found.shape == (2, 3, 8)
    assert bool((found > 0).all())
    paths = {"bart": "model.decoder.layers.1", "t5": "decoder.block.1"}
    if values is None:
        return
    attention = {"bart": "encoder_attn", "t5": "layer.1.EncDecAttention"}[family]
    kept = []

    def zero(_module, _args, output):
        return output.index_fill(1, torch.tensor(5), 0)

    for number in range(2):
        block = hf_model.get_submodule(paths[family])
        handles = [block.register_forward_hook(lambda _module, _args, output: kept.append(output[0]))]
        if number:
            handles.append(block.get_submodule(f"{attention}.{values}").register_forward_hook(zero))
        with torch.no_grad():
            hf_model(torch.tensor([PROMPT]), decoder_input_ids=torch.tensor([[4, 6, 9]]))
        for handle in handles:
            handle.remove()
    plain, zeroed = (one.reshape(3, -1).double() for one in kept)
    assert torch.allclose(found[1, :, 5], 1 - torch.cosine_similarity(plain, zeroed, dim=-1), atol=1e-6)


def test_layers_and_heads_that_do_not_exist_are_errors():
    model = attnscope.Model(tiny_models.build("gpt2"))
    with pytest.raises(InputError, match="`layer` must be a layer from 0 to 2"):
        model.value_zeroing(PROMPT, 3)
    with pytest.raises(InputError, match="`head` must be a head from 0 to 3"):
        model.value_zeroing(PROMPT, head=4)
    with pytest.raises(UnsupportedError, match="attention interface"):
        attnscope.Model(tiny_models.build("bloom")).value_zeroing(PROMPT)
