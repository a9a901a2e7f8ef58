"""Observe a model's own forward pass without attnscope: the values and the output of each call of an attention function.

Every layer gets its attention function from transformers' attention interface; this module wraps that function. Nothing else
changes: the model runs with its own attention implementation.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import AttentionInterface


@dataclass(frozen=True)
class Call:
    """One call. `values` [heads, keys, v_dim], `output` [heads, queries, v_dim]; `weights` [heads, queries, keys] if returned."""

    values: Tensor
    output: Tensor
    weights: Tensor | None

    @property
    def size(self) -> tuple[int, int]:
        """(queries, keys)."""
        return self.output.shape[1], self.values.shape[1]


@contextmanager
def watched(calls: list[Call]) -> Generator[None]:
    """Collect the calls of every attention function that the interface returns meanwhile."""
    original = AttentionInterface.get_interface

    def get_interface(self: Any, attn_implementation: str, default: Any) -> Any:
        attend = original(self, attn_implementation, default)

        def watching(module: Any, *args: Any, **options: Any) -> Any:
            output, weights = attend(module, *args, **options)
            named = dict(zip(("query", "key", "value"), args, strict=False)) | options
            query, value = named["query"], named["value"]
            if query.shape[0] == 1 and query.ndim == 4:
                groups = query.shape[1] // value.shape[1]
                calls.append(
                    Call(
                        value[0].detach().float().repeat_interleave(groups, dim=0),
                        output[0].detach().float().transpose(0, 1),
                        weights[0].detach().float() if isinstance(weights, Tensor) and weights.ndim == 4 else None,
                    )
                )
            return output, weights

        return watching

    AttentionInterface.get_interface = get_interface
    try:
        yield
    finally:
        AttentionInterface.get_interface = original


def own_calls(model: Any, tensors: Mapping[str, Any], *, eager: bool) -> list[Call]:
    """The calls of one forward pass, with the model's own implementation or (on a copy) the eager one."""
    if eager:
        model = copy.deepcopy(model)
        for module in model.modules():
            config = getattr(module, "config", None)
            if config is not None and hasattr(config, "_attn_implementation_internal"):
                config._attn_implementation_internal = "eager"
    calls: list[Call] = []
    with torch.no_grad(), watched(calls):
        model(**tensors)
    return calls
