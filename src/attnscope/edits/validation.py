"""Edits held against the model they are for: every number in range, and what one should know said in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from attnscope.edits.edit import Edit
from attnscope.edits.kinds import AddVector, CutEdge, ScaleNeuron, SetAttention
from attnscope.errors import InputError
from attnscope.types import LayerShape, Rotary, Stack

Turning = Mapping[str, Sequence[Rotary | None]]
"""How q and k of each layer turn, by stack."""

Lengths = Mapping[str, tuple[int, int]]
"""The numbers of (queries, keys) of a pass, by stack."""


def stack_of(edit: Edit, stacks: Mapping[str, Stack]) -> str:
    """The name of the stack that an edit is for."""
    if edit.stack is None and len(stacks) == 1:
        return next(iter(stacks))
    if edit.stack is None or edit.stack not in stacks:
        got = "names no stack" if edit.stack is None else f"names the stack {edit.stack!r}"
        raise InputError(
            f"{edit.kind} {got}; this model has {', '.join(map(repr, stacks))}. Pass `stack=` with one of them."
        )
    return edit.stack


def check_layer(edit: Edit, stack: Stack) -> None:
    """Raise `InputError` where an edit names a layer that the stack does not have."""
    if edit.layer >= stack.layers:
        raise InputError(f"{edit.kind} names layer {edit.layer}: this stack has layers 0 to {stack.layers - 1}.")


def shape_of(edit: Edit, stack: Stack) -> LayerShape:
    """The sizes of the layer that an edit is for. Raises `InputError` for a layer, head or dimension that is not there."""
    check_layer(edit, stack)
    shape = stack.layer(edit.layer)
    if shape is None:
        raise InputError(f"{edit.kind} names layer {edit.layer}, which has no attention.")
    head: int = getattr(edit, "head", 0)
    if head >= shape.heads:
        raise InputError(f"{edit.kind} names head {edit.layer}.{head}: this layer has heads 0 to {shape.heads - 1}.")
    if isinstance(edit, ScaleNeuron):
        size = shape.v_dim if edit.vector == "v" else shape.qk_dim
        if edit.dims[-1] >= size:
            raise InputError(
                f"ScaleNeuron names dimension {edit.dims[-1]} of {edit.vector} in head {edit.layer}.{head}: it has dimensions 0 "
                f"to {size - 1}."
            )
    return shape


def check_positions(edit: Edit, queries: int, keys: int) -> None:
    """Raise `InputError` where an edit names a position beyond these."""
    named: list[tuple[str, int | None, int]] = []
    if isinstance(edit, (SetAttention, CutEdge)):
        named = [("query", edit.query, queries), ("key", edit.key, keys)]
    elif isinstance(edit, AddVector):
        named = [("position", edit.position, queries)]
    for name, position, size in named:
        if position is not None and position >= size:
            raise InputError(f"{edit.kind} names {name} {position}: positions go from 0 to {size - 1}.")


def remarks(edit: Edit, shape: LayerShape, rotary: Rotary | None) -> list[str]:
    """What one should know of an edit that can be made."""
    if not isinstance(edit, ScaleNeuron):
        return []
    found: list[str] = []
    group = shape.heads // shape.kv_heads
    if edit.vector != "q" and group > 1:
        first = edit.head // group * group
        sharing = [f"{edit.layer}.{head}" for head in range(first, first + group)]
        what = "keys" if edit.vector == "k" else "values"
        found.append(
            f"ScaleNeuron of {edit.vector} in {edit.place} acts on the heads {', '.join(sharing[:-1])} and {sharing[-1]}, which "
            f"share their {what}."
        )
    if edit.vector != "v" and rotary is not None:
        dims = cast("tuple[int, ...]", edit.dims)
        half = [pair for pair in rotary.pairs if (pair[0] in dims) != (pair[1] in dims)]
        if half:
            one, other = half[0] if half[0][0] in dims else half[0][::-1]
            more = f" ({len(half)} such dimensions)" if len(half) > 1 else ""
            found.append(
                f"ScaleNeuron scales dimension {one} of {edit.vector} in {edit.place} without dimension {other}, with which it "
                f"turns (RoPE){more}: a neuron there is the pair."
            )
    return found
