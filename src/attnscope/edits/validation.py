"""Edits checked against a model and a text: indices in range, words looked up, and remarks that the user should know."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from attnscope.edits.edit import Edit
from attnscope.edits.kinds import PatchHead, ScaleNeuron
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.positions import Position, is_word, resolve
from attnscope.types import LayerShape, Rotary, Stack, Token

Turning = Mapping[str, Sequence[Rotary | None]]
"""The rotary embedding of each layer, by stack."""

Lengths = Mapping[str, tuple[int, int]]
"""The numbers of queries and keys of a forward pass, by stack."""

Texts = Mapping[str, tuple[Sequence[Token], Sequence[Token]]]
"""The query tokens and the key tokens of a forward pass, by stack."""

_SIDES = {"query": 0, "key": 1, "position": 0}
"""The fields that name positions: those among the queries (0) or among the keys (1)."""


def _side(edit: Edit, name: str) -> int:
    """Whether a field names queries (0) or keys (1). A neuron of k or v is one of a key."""
    return 1 if isinstance(edit, ScaleNeuron) and edit.vector != "q" else _SIDES[name]


def stack_of(edit: Edit, stacks: Mapping[str, Stack]) -> str:
    """The name of the stack that an edit changes."""
    if edit.stack is None and len(stacks) == 1:
        return next(iter(stacks))
    if edit.stack is None or edit.stack not in stacks:
        got = "names no stack" if edit.stack is None else f"names the stack {edit.stack!r}"
        raise InputError(
            f"{edit.kind} {got}; this model has {', '.join(map(repr, stacks))}. Pass one of them as `stack=`."
        )
    return edit.stack


def check_layer(edit: Edit, stack: Stack) -> None:
    """Raise `InputError` if the stack doesn't have the edit's layer."""
    if edit.layer >= stack.layers:
        raise InputError(f"{edit.kind} names layer {edit.layer}: this stack has layers 0 to {stack.layers - 1}.")


def shape_of(edit: Edit, stack: Stack) -> LayerShape:
    """The sizes of the layer that an edit changes. Raises `InputError` for a layer, head or dimension that doesn't exist."""
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


def resolved(edit: Edit, tokens: tuple[Sequence[Token], Sequence[Token]] | None) -> Edit:
    """The edit with its words replaced by indices: one, or a tuple for a word of several tokens.

    `tokens` are the queries and keys of its stack. Raises `InputError` for a word that isn't in the text or is ambiguous, and for
    any word if there is no text (None).
    """
    found: dict[str, Position] = {}
    if isinstance(edit, PatchHead):
        found |= _source_position(edit)
    for name in _SIDES:
        value: object = getattr(edit, name, None)
        if not is_word(value):
            continue
        if tokens is None:
            raise InputError(
                f"`{name}` of {edit.kind} is a word ({value!r:.300}), but there is no text here to look it up in: pass an index."
            )
        found[name] = _kept(resolve(value, tokens[_side(edit, name)], f"{name} of {edit.kind}"))
    return dataclasses.replace(edit, **found) if found else edit


def _source_position(edit: PatchHead) -> dict[str, Position]:
    """The words of `source_position`, or of `position` if there is none, looked up in the source of a patch."""
    value = edit.position if edit.source_position is None else edit.source_position
    if not is_word(value) or not isinstance(edit.source, Trace):
        return {}
    tokens = edit.source.tokens_for(stack_of(edit, edit.source.stacks))[0]
    return {"source_position": _kept(resolve(value, tokens, "source_position of PatchHead"))}


def _kept(span: tuple[int, ...]) -> Position:
    return span if len(span) > 1 else max(span)


def span_of(position: Position | None) -> tuple[int, ...]:
    """The indices of a position of a `resolved` edit; none for None."""
    if position is None:
        return ()
    return (position,) if isinstance(position, int) else cast("tuple[int, ...]", position)


def check_positions(edit: Edit, queries: int, keys: int) -> None:
    """Raise `InputError` if a position of a `resolved` edit is out of range."""
    for name in _SIDES:
        size = (queries, keys)[_side(edit, name)]
        beyond = [index for index in span_of(getattr(edit, name, None)) if index >= size]
        if beyond:
            raise InputError(f"{edit.kind} names {name} {beyond[0]}: positions go from 0 to {size - 1}.")


def remarks(edit: Edit, shape: LayerShape, rotary: Rotary | None) -> list[str]:
    """Sentences about side effects of an edit."""
    if not isinstance(edit, ScaleNeuron):
        return []
    found: list[str] = []
    group = shape.heads // shape.kv_heads
    if edit.vector != "q" and group > 1:
        first = edit.head // group * group
        sharing = [f"{edit.layer}.{head}" for head in range(first, first + group)]
        what = "keys" if edit.vector == "k" else "values"
        found.append(
            f"ScaleNeuron of {edit.vector} in {edit.place} acts on heads {', '.join(sharing[:-1])} and {sharing[-1]}, which "
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
                f"rotates (RoPE){more}: here, a neuron is the pair."
            )
    return found
