"""Where else the same edits can be made: on other heads, keys or pairs of dimensions, or with random vectors."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from attnscope.attention import QKRecord
from attnscope.edits import AddVector, CutEdge, Edit, MeanHead, PatchHead, ResampleHead, ScaleNeuron, SetAttention
from attnscope.edits.validation import span_of
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.effects.alternatives import ALL_UP_TO, Alternatives, Chosen, Slot, Variant
from attnscope.model.effects.prompt import Prompt
from attnscope.trace.positions import span_words
from attnscope.types import LayerShape, Observer, Token

Over = Literal["heads", "keys", "pairs", "vectors"]


def over_of(edits: Sequence[Edit], over: str | None) -> Over:
    """What to vary: `over`, or by default vectors for edits that add vectors, heads for all others. Raises `InputError`."""
    if not edits:
        raise InputError("There are no edits to control for. Pass at least one.")
    vectors = [isinstance(edit, AddVector) for edit in edits]
    if over is None:
        over = "vectors" if all(vectors) else "heads"
    if over not in get_args(Over):
        raise InputError(f"`over` must be one of {', '.join(get_args(Over))}; got {over!r:.80}.")
    fits: dict[str, Callable[[Edit], bool]] = {
        "heads": lambda edit: not isinstance(edit, AddVector),
        "keys": lambda edit: isinstance(edit, (CutEdge, SetAttention)),
        "pairs": lambda edit: isinstance(edit, ScaleNeuron),
        "vectors": lambda edit: isinstance(edit, AddVector),
    }
    other = next((edit for edit in edits if not fits[over](edit)), None)
    if other is not None:
        raise InputError(
            f"Controls over {over} cannot be made for {other.kind} of {other.place}. Pass another `over`, or measure these edits "
            "separately."
        )
    return cast("Over", over)


def drawn_elsewhere(
    prompt: Prompt, edits: Sequence[Edit], over: Over, draws: int | None, seed: int, observer: Observer | None
) -> list[Variant]:
    """The controls for edits whose positions are indices. Raises `InputError` if there are none."""
    if over == "vectors":
        return _random_vectors(cast("Sequence[AddVector]", edits), ALL_UP_TO if draws is None else draws, seed)
    if over == "heads":
        alternatives = _heads(prompt, edits)
    elif over == "keys":
        alternatives = _keys(prompt, cast("Sequence[CutEdge | SetAttention]", edits), observer)
    else:
        alternatives = _pairs(prompt, cast("Sequence[ScaleNeuron]", edits))
    found = alternatives.drawn(draws, seed)
    if not found:
        raise InputError(f"There is no control: these edits cannot be made on other {over} at the same time.")
    return found


def _stack(prompt: Prompt, edit: Edit) -> str:
    return prompt.chosen_stack(edit.stack)


def _grouped(edits: Sequence[Edit], key: Callable[[Edit], Any]) -> dict[Any, list[int]]:
    """The indices of edits with the same key."""
    found: dict[Any, list[int]] = {}
    for index, edit in enumerate(edits):
        found.setdefault(key(edit), []).append(index)
    return found


def _heads(prompt: Prompt, edits: Sequence[Any]) -> Alternatives:
    """Every edited head of a layer moves to another one, which none of the edits names.

    In grouped-query attention, an edit of k or v acts on a group of heads, so then groups move.
    """
    _check_references(edits)
    slots: list[Slot] = []
    moves: list[tuple[list[int], int, tuple[int, ...]]] = []
    for (stack, layer), members in _grouped(edits, lambda edit: (_stack(prompt, edit), edit.layer)).items():
        shape = prompt.stacks[stack].layer(layer)
        assert shape is not None
        group = _group(shape, [edits[i] for i in members])
        units = tuple(sorted({edits[i].head // group for i in members}))
        pool = tuple(unit for unit in range(shape.heads // group) if unit not in units)
        if len(pool) < len(units):
            raise InputError(_too_few(layer, shape, group, len(units)))
        signatures = {unit: _signature(edits, members, unit, group) for unit in units}
        slots.append(Slot(pool, len(units), ordered=len(set(signatures.values())) > 1))
        moves.append((members, group, units))
    several = len(prompt.stacks) > 1

    def variant(chosen: Chosen) -> Variant:
        moved = list(edits)
        for (members, group, units), new in zip(moves, chosen, strict=True):
            to = dict(zip(units, new, strict=True))
            for i in members:
                head: int = edits[i].head
                moved[i] = dataclasses.replace(edits[i], head=to[head // group] * group + head % group)
        return Variant(tuple(moved), ", ".join(dict.fromkeys(_head_words(edit, several=several) for edit in moved)))

    return Alternatives(slots, variant)


def head_units(prompt: Prompt, edits: Sequence[Any]) -> set[tuple[str, int, int, int]]:
    """What moves over heads: stack, layer, how many heads move together, and the number of the head or group."""
    found: set[tuple[str, int, int, int]] = set()
    for (stack, layer), members in _grouped(edits, lambda edit: (_stack(prompt, edit), edit.layer)).items():
        shape = prompt.stacks[stack].layer(layer)
        assert shape is not None
        group = _group(shape, [edits[i] for i in members])
        found |= {(stack, layer, group, edits[i].head // group) for i in members}
    return found


def _head_words(edit: Any, *, several: bool) -> str:
    return f"{edit.stack}.{edit.layer}.{edit.head}" if several else f"{edit.layer}.{edit.head}"


def _group(shape: LayerShape, edits: Iterable[Edit]) -> int:
    """How many heads move together."""
    shared = any(isinstance(edit, ScaleNeuron) and edit.vector != "q" for edit in edits)
    return shape.heads // shape.kv_heads if shared else 1


def _signature(edits: Sequence[Any], members: Sequence[int], unit: int, group: int) -> str:
    """What is done to a head or group, wherever it is."""
    own = [edits[i].as_json() | {"head": edits[i].head % group} for i in members if edits[i].head // group == unit]
    return json.dumps(sorted(json.dumps(one, sort_keys=True) for one in own))


def _too_few(layer: int, shape: LayerShape, group: int, edited: int) -> str:
    total = shape.heads // group
    what = ("head", "heads") if group == 1 else ("group of heads", "groups of heads")
    return (
        f"There is no control over heads: layer {layer} has {total} {what[total > 1]}, of which the edits change "
        f"{edited}, so they cannot all move to others."
    )


def _check_references(edits: Sequence[Any]) -> None:
    for edit in edits:
        values = getattr(edit, "reference", getattr(edit, "source", None))
        if (
            isinstance(edit, (MeanHead, ResampleHead, PatchHead))
            and isinstance(values, tuple)
            and isinstance(values[0], tuple)
        ):
            raise InputError(
                f"{edit.kind} of {edit.place} holds numbers of this head, which mean nothing for others. Pass traces, so that "
                "every head gets its own values."
            )


def _keys(prompt: Prompt, edits: Sequence[CutEdge | SetAttention], observer: Observer | None) -> Alternatives:
    """Every edited key moves to another one that all its queries may attend to.

    Not to an attention sink, unless the edited key is one, nor to a key with the same token, nor to one that an edit names.
    """

    @cache
    def record(stack: str, layer: int) -> QKRecord:
        found = records(stack)[layer]
        if not isinstance(found, QKRecord):
            raise UnsupportedError(f"The mask of layer {layer} is unknown, so other keys cannot be drawn.")
        return found

    @cache
    def records(stack: str) -> Any:
        return prompt.masks_of(stack, observer)

    units = _grouped(edits, lambda edit: (_stack(prompt, edit), span_of(cast("CutEdge", edit).key)))
    slots: list[Slot] = []
    for (stack, key), members in units.items():
        named = {index for (its_stack, its_key) in units if its_stack == stack for index in its_key}
        tokens = prompt.tokens_of(stack)[1]
        allowed = torch.ones(len(tokens), dtype=torch.bool)
        for i in members:
            allowed &= _seen_by(record(stack, edits[i].layer), edits[i])
        sinks = _sinks(tokens, causal=prompt.architecture_of(stack).causal)
        pool = _spans_like(key, tokens, allowed, named, sinks)
        if not pool:
            raise InputError(
                f"There is no control over keys: no other key than {span_words(key)} is visible to the same queries, is no "
                "attention sink and has another token."
            )
        slots.append(Slot(pool, 1))

    def variant(chosen: Chosen) -> Variant | None:
        new = dict(zip(units, (one[0] for one in chosen), strict=True))
        taken = [(stack, index) for (stack, _), span in new.items() for index in span]
        if len(set(taken)) < len(taken):
            return None
        moved = list(edits)
        for unit, members in units.items():
            for i in members:
                moved[i] = dataclasses.replace(edits[i], key=new[unit] if len(new[unit]) > 1 else new[unit][0])
        words = [_key_words(span, prompt.tokens_of(stack)[1]) for (stack, _), span in new.items()]
        return Variant(tuple(moved), ", ".join(words))

    return Alternatives(slots, variant)


def _key_words(span: tuple[int, ...], tokens: Sequence[Token]) -> str:
    return f"key {span_words(span)} {''.join(tokens[index].text for index in span)!r}"


def _seen_by(record: QKRecord, edit: CutEdge | SetAttention) -> Tensor:
    """Which keys every query of an edit may attend to."""
    allowed = record.mask.allowed(torch.tensor(span_of(edit.query))).cpu()
    return allowed[edit.head if len(allowed) > 1 else 0].all(0)


def _sinks(tokens: Sequence[Token], *, causal: bool) -> set[int]:
    """The attention sinks: the first token of a causal stack, and special tokens."""
    first = next((index for index, token in enumerate(tokens) if not token.padding), 0)
    return {index for index, token in enumerate(tokens) if token.special} | ({first} if causal else set())


def _spans_like(
    key: tuple[int, ...], tokens: Sequence[Token], allowed: Tensor, named: set[int], sinks: set[int]
) -> tuple[tuple[int, ...], ...]:
    """The spans of the same shape that a key may move to."""
    offsets = [index - key[0] for index in key]
    of_sinks = bool(sinks & set(key))
    same = [tokens[index].id for index in key]
    found: list[tuple[int, ...]] = []
    for start in range(len(tokens) - offsets[-1]):
        span = tuple(start + offset for offset in offsets)
        possible = bool(allowed[list(span)].all()) and not named & set(span) and (of_sinks or not sinks & set(span))
        if possible and [tokens[index].id for index in span] != same:
            found.append(span)
    return tuple(found)


def _pairs(prompt: Prompt, edits: Sequence[ScaleNeuron]) -> Alternatives:
    """The dimensions of each edit move to others of the same head: rotary pairs to pairs, other dimensions to such.

    Edits of the same dimensions of the same head (of its q and its k) move together.
    """
    units = _grouped(
        edits, lambda edit: (_stack(prompt, edit), edit.layer, cast("Any", edit).head, cast("Any", edit).dims)
    )
    slots: list[Slot] = []
    for (stack, layer, head, dims), members in units.items():
        pairs, singles = _neurons(prompt, stack, layer, [edits[i] for i in members], dims)
        named = {dim for unit in units if unit[:3] == (stack, layer, head) for dim in unit[3]}
        for neurons in (pairs, singles):
            edited = [one for one in neurons if set(one) <= set(dims)]
            pool = tuple(one for one in neurons if not named & set(one))
            if len(pool) < len(edited):
                raise InputError(
                    f"There is no control over pairs: head {layer}.{head} has {len(pool)} neurons that no edit names, but "
                    f"{len(edited)} are edited."
                )
            slots.append(Slot(pool, len(edited)))

    def variant(chosen: Chosen) -> Variant | None:
        moved = list(edits)
        taken: list[tuple[Any, ...]] = []
        words: list[str] = []
        for number, (unit, members) in enumerate(units.items()):
            neurons = (*chosen[2 * number], *chosen[2 * number + 1])
            dims = sorted(dim for one in neurons for dim in one)
            taken += [(*unit[:3], dim) for dim in dims]
            words.append(f"{unit[1]}.{unit[2]} dims {', '.join(map(str, dims))}")
            for i in members:
                moved[i] = dataclasses.replace(edits[i], dims=dims)
        return Variant(tuple(moved), "; ".join(words)) if len(set(taken)) == len(taken) else None

    return Alternatives(slots, variant)


def _neurons(
    prompt: Prompt, stack: str, layer: int, edits: Sequence[ScaleNeuron], dims: tuple[int, ...]
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The rotary pairs of the edited vectors, and their other dimensions. Half a pair counts as a dimension."""
    shape = prompt.stacks[stack].layer(layer)
    assert shape is not None
    size = min(shape.v_dim if edit.vector == "v" else shape.qk_dim for edit in edits)
    by_layer = prompt.architecture_of(stack).rotary
    rotary = by_layer[layer] if layer < len(by_layer) else None
    pairs = [tuple(pair) for pair in rotary.pairs] if rotary is not None else []
    whole = all((first in dims) == (second in dims) for first, second in pairs)
    if any(edit.vector == "v" for edit in edits) or not whole:
        pairs = []
    rotating = {dim for pair in pairs for dim in pair}
    return pairs, [(dim,) for dim in range(size) if dim not in rotating]


def _random_vectors(edits: Sequence[AddVector], draws: int, seed: int) -> list[Variant]:
    """Gaussian vectors with the norms of the edited ones. Edits that add the same vector get the same random one."""
    generator = torch.Generator().manual_seed(seed)
    found: list[Variant] = []
    for number in range(draws):
        new: dict[Any, list[float]] = {}
        for edit in edits:
            if edit.vector not in new:
                drawn = torch.randn(len(edit.vector), generator=generator, dtype=torch.float64)
                new[edit.vector] = (drawn * (math.hypot(*edit.vector) / drawn.norm())).tolist()
        moved = tuple(dataclasses.replace(edit, vector=new[edit.vector]) for edit in edits)
        found.append(Variant(moved, f"random vector {number + 1}"))
    return found
