"""Eager attention written from its equations, with hooks for changes: the reference for tests of edits.

It uses no code of attnscope. A copy of the model runs with this function as its attention; `change(what, path, tensor)` is called
in every layer for q, k, v, scores, weights and head outputs, and returns the tensor to use instead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

Change = Callable[[str, str, Tensor], Tensor]

_NOW: ContextVar[tuple[dict[int, str], Change, dict[str, Tensor]]] = ContextVar("edited_eager")


def _attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any) -> Any:
    names, change, seen = _NOW.get()
    path = names[id(module)]
    q, k, v = change("q", path, query), change("k", path, key), change("v", path, value)
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scale = options.get("scaling")
    scores = q @ k.transpose(2, 3) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if options.get("softcap"):
        scores = options["softcap"] * torch.tanh(scores / options["softcap"])
    if options.get("position_bias") is not None:
        scores = scores + options["position_bias"]
    if mask is not None:
        scores = scores + mask
    scores = change("scores", path, scores)
    sinks = options.get("s_aux")
    if sinks is not None:
        scores = torch.cat([scores, sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)], dim=-1)
    weights = torch.softmax(scores, dim=-1).nan_to_num(0.0)
    weights = change("weights", path, weights[..., :-1] if sinks is not None else weights)
    seen[path] = weights
    output = change("output", path, (weights @ v).transpose(1, 2))
    return output.contiguous(), None


AttentionInterface.register("edited_eager", _attention)
AttentionMaskInterface.register("edited_eager", eager_mask)


def edited_copy(model: Any) -> Any:
    """A copy of a model that runs with this attention function."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("edited_eager")
    return twin.eval()


def run_with_change(twin: Any, change: Change, work: Callable[[], Any]) -> tuple[Any, dict[str, Tensor]]:
    """Run `work()` with `change` active in a model from `edited_copy`.

    Returns its result, and the attention weights [batch, head, query, key] by module path.
    """
    seen: dict[str, Tensor] = {}
    token = _NOW.set(({id(module): name for name, module in twin.named_modules()}, change, seen))
    try:
        with torch.no_grad():
            return work(), seen
    finally:
        _NOW.reset(token)


def unchanged(_what: str, _path: str, tensor: Tensor) -> Tensor:
    return tensor


def change_at(what: str, path: str, change: Callable[[Tensor], None]) -> Change:
    """A `Change` that modifies one tensor of one module in place."""

    def changed(here: str, where: str, tensor: Tensor) -> Tensor:
        if (here, where) != (what, path):
            return tensor
        tensor = tensor.clone()
        change(tensor)
        return tensor

    return changed
