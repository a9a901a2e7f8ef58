"""Prompts to patch, and patched passes that use plain transformers and hooks only."""

from __future__ import annotations

import torch
from torch import nn

from helpers import tiny_models

CLEAN = tiny_models.ids(10)
CORRUPTED = [*CLEAN[:3], 20, 21, *CLEAN[5:]]
ANSWER, FOIL = 5, 7
W_O = {
    "gpt2": "transformer.h.{}.attn.c_proj",
    "llama": "model.layers.{}.self_attn.o_proj",
    "gemma2": "model.layers.{}.self_attn.o_proj",
    "bert": "bert.encoder.layer.{}.attention.output.dense",
}
BLOCK = {
    "gpt2": "transformer.h.{}",
    "llama": "model.layers.{}",
    "gemma2": "model.layers.{}",
    "bert": "bert.encoder.layer.{}",
}
MLP = {"gpt2": "transformer.h.{}.mlp", "llama": "model.layers.{}.mlp", "gemma2": "model.layers.{}.mlp"}
AT = {"bert": 6}


def difference(hf_model: nn.Module, family: str, ids: list[int]) -> float:
    with torch.no_grad():
        logits = hf_model(torch.tensor([ids])).logits[0, AT.get(family, -1)].double()
    return float(logits[ANSWER] - logits[FOIL])


def read_by(hf_model: nn.Module, path: str, ids: list[int]) -> torch.Tensor:
    kept = {}
    hook = hf_model.get_submodule(path).register_forward_pre_hook(lambda _module, args: kept.update(x=args[0].clone()))
    with torch.no_grad():
        hf_model(torch.tensor([ids]))
    hook.remove()
    return kept["x"]


def written_by(hf_model: nn.Module, path: str, ids: list[int]) -> torch.Tensor:
    kept = {}

    def keep(_module, _args, output):
        kept["x"] = (output[0] if isinstance(output, tuple) else output).clone()

    hook = hf_model.get_submodule(path).register_forward_hook(keep)
    with torch.no_grad():
        hf_model(torch.tensor([ids]))
    hook.remove()
    return kept["x"]


def reference_attention(plan: dict, module, query, key, value, mask, scaling=None, softcap=None, **_options):
    """Eager attention that takes one head's weights from another run."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    scores = scores if softcap is None else torch.tanh(scores / softcap) * softcap
    weights = torch.softmax(scores if mask is None else scores + mask[..., : key.shape[2]], dim=-1)
    layer = plan["layer"]
    plan["layer"] += 1
    plan["weights"][layer] = weights
    if plan["patch"] is not None and plan["patch"][0] == layer:
        _, head, source = plan["patch"]
        weights = weights.clone()
        weights[:, head] = source[:, head]
    return (weights @ value).transpose(1, 2).contiguous(), weights
