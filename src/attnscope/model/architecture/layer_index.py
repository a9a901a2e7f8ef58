"""The model's own numbers of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from attnscope.capture import Capture

T = TypeVar("T")

_ATTENDING = frozenset({"attention", "full_attention", "sliding_attention", "chunked_attention", "hybrid"})
"""What configs of hybrid models call a layer that has attention."""


def layer_numbers(calls: Sequence[Capture], kinds: Sequence[str] = ()) -> tuple[int, ...]:
    """The model's own layer numbers of the calls of one stack, else the order of the calls (ALBERT: one module for all layers).

    They are known where `kinds` (of a hybrid model's layers) names as many layers with attention, or where the modules carry
    them in order.
    """
    attending = [i for i, kind in enumerate(kinds) if kind in _ATTENDING]
    if len(attending) == len(calls) < len(kinds):
        return tuple(attending)
    own = [getattr(call.module, "layer_idx", None) for call in calls]
    numbers = [one for one in own if isinstance(one, int)]
    if len(numbers) == len(calls) and all(a < b for a, b in pairwise(numbers)):
        return tuple(numbers)
    return tuple(range(len(calls)))


def by_layer(numbers: Sequence[int], values: Sequence[T], depth: int) -> list[T | None]:
    """Values of calls as a list by layer number, None where a layer has no attention."""
    placed: list[T | None] = [None] * max(depth, max(numbers, default=-1) + 1)
    for number, value in zip(numbers, values, strict=True):
        placed[number] = value
    return placed


def layer_kinds(config: Any) -> list[str]:
    """The kind of every layer of a hybrid model, those without attention included; none where its config lists none."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return [str(kind) for kind in getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or ()]


def ordered(stacks: Mapping[str, T]) -> dict[str, T]:
    """Stacks in the order in which they are shown: the text first, then what it looks at."""
    order = ("encoder", "decoder", "cross", "vision")
    return {name: stacks[name] for name in sorted(stacks, key=lambda name: order.index(name))}
