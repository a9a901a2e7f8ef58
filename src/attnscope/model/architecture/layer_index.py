"""The model's own layer numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from attnscope.capture import Capture

T = TypeVar("T")

_WITH_ATTENTION = frozenset({"attention", "full_attention", "sliding_attention", "chunked_attention", "hybrid"})
"""The names that configs of hybrid models use for layers with attention."""


def layer_numbers(calls: Sequence[Capture], kinds: Sequence[str] = ()) -> tuple[int, ...]:
    """The model's own layer number of each call of one stack.

    The numbers are known if `kinds` (of a hybrid model's layers) lists as many layers with attention as there are calls, or if
    the modules carry increasing layer indices. Otherwise they follow the order of the calls (ALBERT: one module for all
    layers).
    """
    with_attention = [i for i, kind in enumerate(kinds) if kind in _WITH_ATTENTION]
    if len(with_attention) == len(calls) < len(kinds):
        return tuple(with_attention)
    indices = [getattr(call.module, "layer_idx", None) for call in calls]
    numbers = [index for index in indices if isinstance(index, int)]
    if len(numbers) == len(calls) and all(a < b for a, b in pairwise(numbers)):
        return tuple(numbers)
    return tuple(range(len(calls)))


def by_layer(numbers: Sequence[int], values: Sequence[T], depth: int) -> list[T | None]:
    """Arrange values of calls in a list by layer number, with None for layers without attention."""
    placed: list[T | None] = [None] * max(depth, max(numbers, default=-1) + 1)
    for number, value in zip(numbers, values, strict=True):
        placed[number] = value
    return placed


def layer_kinds(config: Any) -> list[str]:
    """The kind of every layer of a hybrid model, including layers without attention; empty if its config lists none."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return [str(kind) for kind in getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or ()]


def ordered(stacks: Mapping[str, T]) -> dict[str, T]:
    """Stacks in display order: encoder, decoder, cross, vision."""
    order = ("encoder", "decoder", "cross", "vision")
    return {name: stacks[name] for name in sorted(stacks, key=lambda name: order.index(name))}
