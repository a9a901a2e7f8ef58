"""`Plan`: edits prepared for a forward pass, by layer and stage, in the order of the computation.

    q, k, v  →  scores  →  weights  →  head outputs  →  residual stream

A plan is looked up by stack and layer. A layer without edits has no entry, and its computation is left unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

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
    """An edit for one row of a batch, or for every row if `row` is None."""

    edit: Edit
    row: int | None = None


@dataclass(frozen=True)
class Plan:
    """Edits prepared for a forward pass.

    Attributes:
        edits: The edits, in the order in which they were passed.
        layers: What is changed in each layer, by (stack, layer).
        warnings: Sentences for the user about side effects, such as heads that share an edited key.
    """

    edits: tuple[Edit, ...]
    layers: Mapping[tuple[str, int], LayerPlan]
    warnings: tuple[str, ...] = ()

    def at(self, stack: str, layer: int) -> LayerPlan | None:
        """The plan of a layer; None if no edit changes it."""
        return self.layers.get((stack, layer))

    @property
    def has_vectors(self) -> bool:
        """Whether any edit adds a vector to the residual stream."""
        return any(layer.vectors for layer in self.layers.values())


@dataclass
class _LayerPlanBuilder:
    """The plan of one layer while edits are being added."""

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
    """Check edits against a model and prepare them for a forward pass. The plan's own `edits` name all positions by index.

    Args:
        edits: The edits, a single one or a list; `Planned` restricts one to a row of the batch.
        stacks: The stacks of the model, by name.
        rotary: The rotary embedding of every layer, by stack: which dimensions rotate together.
        lengths: The number of (queries, keys) of each stack in the first forward pass; None if unknown.
        tokens: The (query tokens, key tokens) of each stack, in which words are looked up; None if there is no text.
        further: How many more (queries, keys) may follow in later passes (generation).

    Raises:
        InputError: An edit does not fit the model or the input.
        MissingError: An edit refers to a trace that is not available.
        UnsupportedError: An edit takes head outputs from a trace that has only attention weights.
    """
    builders: dict[tuple[str, int], _LayerPlanBuilder] = {}
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
        layer = builders.setdefault((name, one.edit.layer), _LayerPlanBuilder())
        if isinstance(one.edit, AddVector):  # the only edit that needs no attention in its layer
            value = torch.tensor(one.edit.vector, dtype=torch.float32)
            layer.vectors += [Vector(one.row, at, value, one.edit.at) for at in span_of(one.edit.position) or (None,)]
            continue
        shape = shape_of(one.edit, stacks[name])
        by_layer = (rotary or {}).get(name, ())
        layer_rotary = by_layer[one.edit.layer] if one.edit.layer < len(by_layer) else None
        warnings.update(dict.fromkeys(remarks(one.edit, shape, layer_rotary)))
        _add(layer, one, name, shape, size)
    layers = {
        place: LayerPlan(tuple(one.neurons), tuple(one.weights), tuple(one.outputs), tuple(one.vectors))
        for place, one in builders.items()
    }
    return Plan(tuple(made), layers, tuple(warnings))


def _edits(edits: Any) -> list[Edit | Planned]:
    listed: list[Any] = list(edits) if isinstance(edits, (list, tuple)) else [edits]
    for one in listed:
        if not isinstance(one, (Edit, Planned)):
            raise InputError(
                f"`edits` must be a list of edits (see `attnscope.edits`); got an item of type {type(one).__name__}."
            )
    return listed


def _add(layer: _LayerPlanBuilder, one: Planned, stack: str, shape: LayerShape, size: tuple[int, int] | None) -> None:
    edit, row = one.edit, one.row
    match edit:
        case ScaleNeuron():
            head = edit.head if edit.vector == "q" else edit.head * shape.kv_heads // shape.heads
            layer.neurons.append(
                Neurons(row, edit.vector, head, torch.tensor(edit.dims), edit.factor, span_of(edit.position) or None)
            )
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
            outputs, rows = outputs_of(edit, edit.head, stack, edit.source, shape.v_dim), edit.rows
            if rows is None:
                _fits(edit, (len(outputs),), size and size[:1])
                layer.outputs.append(Patched(row, edit.head, outputs, whole=size is None))
            else:
                _has_rows(edit, rows, len(outputs))
                chosen = outputs[list(rows.values())]
                layer.outputs.append(Patched(row, edit.head, chosen, whole=False, only=tuple(rows)))
        case _:
            raise InputError(f"{edit.kind} is not a known kind of edit.")


def _patched_rows(edit: PatchHead, row: int | None, stack: str, size: tuple[int, int] | None) -> PatchedRows:
    weights, has = weights_of(edit, stack)
    rows = edit.rows
    if rows is None:
        _fits(edit, has, size)
        return PatchedRows(row, edit.head, weights, *has, whole=size is None)
    _has_rows(edit, rows, has[0])
    if size is not None and has[1] != size[1]:
        raise InputError(
            f"PatchHead of {edit.place} takes attention to {has[1]} keys, but this input has {size[1]}, so its weights belong to "
            'other tokens. Use a source with the same number of tokens, or `what="output"`.'
        )

    def moved(at: Tensor) -> Tensor:
        return weights(torch.tensor([rows[query] for query in at.tolist()], dtype=torch.long))

    return PatchedRows(row, edit.head, moved, max(rows) + 1, has[1], whole=False, only=frozenset(rows))


def _has_rows(edit: PatchHead, rows: Mapping[int, int], has: int) -> None:
    if max(rows.values()) >= has:
        raise InputError(
            f"PatchHead of {edit.place} takes query {max(rows.values())} of its source, which has queries 0 to {has - 1}. Name "
            "others with `source_position`."
        )


def _fits(edit: PatchHead, has: tuple[int, ...], size: tuple[int, ...] | None) -> None:
    if size is not None and has != size:
        what = ("queries", "queries and keys")[len(size) - 1]
        raise InputError(
            f"PatchHead of {edit.place} takes its {edit.what} from {_times(has)} {what}, but this input has {_times(size)}. Use "
            "a source with the same number of tokens."
        )


def _times(sizes: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in sizes)
