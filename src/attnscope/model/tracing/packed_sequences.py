"""Packed sequences: `position_ids` that begin again, without a mask that would separate the sequences.

Transformers separates such sequences in a pass without a cache. With a cache (the default of a plain call) and in `generate`, it
lets them attend to each other. A trace runs without a cache, so where the plain call lets them, it adds a mask of ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture import accepted, prepared
from attnscope.errors import UnsupportedError
from attnscope.model.hf.hidden_states import hidden_difference
from attnscope.model.hf.module_info import tolerance_for


def first_restart(inputs: Mapping[str, Tensor]) -> int | None:
    """The first token whose position does not follow that of the token before; None if there is none, or if there is a mask."""
    positions = inputs.get("position_ids")
    if positions is None or positions.ndim != 2 or "attention_mask" in inputs or "input_ids" not in inputs:
        return None
    jumps = (positions[0].diff() != 1).nonzero()[:, 0].tolist()
    return jumps[0] + 1 if jumps else None


def as_called(
    module: nn.Module, inputs: Mapping[str, Tensor], *, use_cache: bool | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Inputs for a pass without a cache that computes what `hf_model(**inputs)` does, and a warning if the cache matters.

    `use_cache` is what the caller passes to the model, if anything. Raises `UnsupportedError` if there are no such inputs.
    """
    at = first_restart(inputs)
    if at is None or use_cache is False:
        return dict(inputs), []
    plain, apart = (_output(module, inputs, at, use_cache=cache) for cache in (use_cache, False))
    if _same(module, plain, apart):
        return dict(inputs), []
    ones = {**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])}
    if not accepted(module, attention_mask=None) or not _same(
        module, plain, _output(module, ones, at, use_cache=False)
    ):
        raise UnsupportedError(
            f"The `position_ids` begin again at token {at}, and {type(module).__name__} treats such packed sequences "
            "differently with a cache than without. attnscope can trace them only without: add `use_cache=False` to the inputs."
        )
    return ones, [
        (
            f"The `position_ids` begin again at token {at}, as in packed sequences. With a cache, as in a plain call and in "
            f"`generate`, {type(module).__name__} lets these sequences attend to each other, and this trace shows that. "
            "With `use_cache=False`, it keeps them apart: to trace that, add `use_cache=False` to the inputs."
        )
    ]


def _output(module: nn.Module, inputs: Mapping[str, Tensor], at: int, *, use_cache: bool | None) -> Any:
    """The model's output at one position if it can be restricted to it, in the model's own attention implementation."""
    cache = {} if use_cache is None else {"use_cache": use_cache}
    keep = torch.tensor([at], device=inputs["input_ids"].device)
    with prepared(module, None) as clone, torch.no_grad():
        return clone(**inputs, **accepted(clone, return_dict=True, logits_to_keep=keep, **cache))


def _same(module: nn.Module, one: Any, other: Any) -> bool:
    difference = hidden_difference(one, other)
    return difference is None or difference <= tolerance_for(module)
