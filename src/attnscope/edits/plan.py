"""`Plan`: edits made ready for a pass, layer by layer and stage by stage, in the order of the computation.

    q, k, v  →  scores  →  weights  →  head outputs  →  residual stream

A plan is looked up by stack and layer; a layer that no edit names has none, and what it computes is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from attnscope.edits.edit import Edit
from attnscope.edits.kinds import (
    AddVector,
    CutEdge,
    MeanHead,
    PatchHead,
    ResampleHead,
    ScaleHead,
    ScaleNeuron,
    SetAttention,
)
from attnscope.edits.reference_values import outputs_of, weights_of
from attnscope.edits.stages import Cut, LayerPlan, Mean, Neurons, Patched, PatchedRows, Resampled, Scaled, Set, Vector
from attnscope.edits.validation import (
    Lengths,
    Texts,
    Turning,
    check_layer,
    check_positions,
    remarks,
    resolved,
    shape_of,
    span_of,
    stack_of,
)
from attnscope.errors import InputError
from attnscope.types import LayerShape, Stack


@dataclass(frozen=True)
class Planned:
    """An edit for one row of a batch; for every row where `row` is None."""

    edit: Edit
    row: int | None = None


@dataclass(frozen=True)
class Plan:
    """Edits ready for a pass. `layers` is by (stack, layer); `warnings` are sentences for whoever asked for the edits."""

    edits: tuple[Edit, ...]
    layers: Mapping[tuple[str, int], LayerPlan]
    warnings: tuple[str, ...] = ()

    def at(self, stack: str, layer: int) -> LayerPlan | None:
        """What is changed in a layer; None where nothing is."""
        return self.layers.get((stack, layer))

    @property
    def has_vectors(self) -> bool:
        """Whether anything is added to the residual stream."""
        return any(layer.vectors for layer in self.layers.values())


@dataclass
class _Growing:
    """The plan of one layer while edits are added."""

    neurons: list[Neurons] = field(default_factory=list[Neurons])
    weights: list[Cut | Set | PatchedRows] = field(default_factory=list["Cut | Set | PatchedRows"])
    outputs: list[Scaled | Mean | Resampled | Patched] = field(
        default_factory=list["Scaled | Mean | Resampled | Patched"]
    )
    vectors: list[Vector] = field(default_factory=list[Vector])


def plan(
    edits: Sequence[Edit | Planned],
    stacks: Mapping[str, Stack],
    *,
    rotary: Turning | None = None,
    lengths: Lengths | None = None,
    further: Lengths | None = None,
    tokens: Texts | None = None,
) -> Plan:
    """The plan of `edits` for a model with these `stacks`. Its own `edits` name all positions by indices.

    `rotary` tells which dimensions rotate together, `lengths` how many queries and keys each stack has in the first forward pass,
    `further` how many of both may follow in later ones (generation), and `tokens` what words in edits are looked up in. Raises
    `InputError` for an edit that doesn't fit the model or the input, `MissingError` for one that refers to a missing trace.
    """
    growing: dict[tuple[str, int], _Growing] = {}
    warnings: dict[str, None] = {}
    made: list[Edit] = []
    planned = [one if isinstance(one, Planned) else Planned(one) for one in _edits(edits)]
    for one in planned:
        name = stack_of(one.edit, stacks)
        check_layer(one.edit, stacks[name])
        one = Planned(resolved(one.edit, (tokens or {}).get(name)), one.row)
        made.append(one.edit)
        size = None if lengths is None else lengths.get(name)
        if size is not None:
            more = (further or {}).get(name, (0, 0))
            check_positions(one.edit, size[0] + more[0], size[1] + more[1])
        layer = growing.setdefault((name, one.edit.layer), _Growing())
        if isinstance(one.edit, AddVector):  # also where a layer has no attention
            value = torch.tensor(one.edit.vector, dtype=torch.float32)
            layer.vectors += [Vector(one.row, at, value, one.edit.at) for at in span_of(one.edit.position) or (None,)]
            continue
        shape = shape_of(one.edit, stacks[name])
        turning = (rotary or {}).get(name, ())
        turns = turning[one.edit.layer] if one.edit.layer < len(turning) else None
        warnings.update(dict.fromkeys(remarks(one.edit, shape, turns)))
        _add(layer, one, name, shape, size)
    layers = {
        place: LayerPlan(tuple(one.neurons), tuple(one.weights), tuple(one.outputs), tuple(one.vectors))
        for place, one in growing.items()
    }
    return Plan(tuple(made), layers, tuple(warnings))


def _edits(given: Any) -> list[Edit | Planned]:
    found: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
    for one in found:
        if not isinstance(one, (Edit, Planned)):
            raise InputError(
                f"`edits` is a list of edits (`from attnscope import edits`); got {type(one).__name__} in it."
            )
    return found


def _add(layer: _Growing, one: Planned, stack: str, shape: LayerShape, size: tuple[int, int] | None) -> None:
    edit, row = one.edit, one.row
    match edit:
        case ScaleNeuron():
            head = edit.head if edit.vector == "q" else edit.head * shape.kv_heads // shape.heads
            layer.neurons.append(Neurons(row, edit.vector, head, torch.tensor(edit.dims), edit.factor))
        case CutEdge():
            layer.weights += [Cut(row, edit.head, query, span_of(edit.key)) for query in span_of(edit.query)]
        case SetAttention():
            keys = span_of(edit.key)
            layer.weights += [Set(row, edit.head, query, keys, edit.weight) for query in span_of(edit.query)]
        case ScaleHead():
            layer.outputs.append(Scaled(row, edit.head, edit.factor))
        case MeanHead():
            samples = outputs_of(edit, edit.head, stack, edit.reference, shape.v_dim)
            layer.outputs.append(Mean(row, edit.head, samples.double().mean(0).float()))
        case ResampleHead():
            samples = outputs_of(edit, edit.head, stack, edit.reference, shape.v_dim)
            layer.outputs.append(Resampled(row, edit.head, samples, edit.seed))
        case PatchHead(what="attention"):
            layer.weights.append(_patched_rows(edit, row, stack, size))
        case PatchHead():
            outputs = outputs_of(edit, edit.head, stack, edit.source, shape.v_dim)
            _fits(edit, (len(outputs),), size and size[:1])
            layer.outputs.append(Patched(row, edit.head, outputs, whole=size is None))
        case _:
            raise InputError(f"{edit.kind} is an edit of no known kind.")


def _patched_rows(edit: PatchHead, row: int | None, stack: str, size: tuple[int, int] | None) -> PatchedRows:
    weights, has = weights_of(edit, stack)
    _fits(edit, has, size)
    return PatchedRows(row, edit.head, weights, *has, whole=size is None)


def _fits(edit: PatchHead, has: tuple[int, ...], size: tuple[int, ...] | None) -> None:
    if size is not None and has != size:
        what = ("queries", "queries and keys")[len(size) - 1]
        raise InputError(
            f"PatchHead of {edit.place} takes its {edit.what} from {_times(has)} {what}, and this input has {_times(size)}: use "
            "a source of as many tokens."
        )


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in sizes)
