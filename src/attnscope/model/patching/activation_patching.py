"""Activation patching: run the corrupted prompt with one activation at a time from the clean prompt (Vig et al. 2020).

The cells of one layer are rows of one batch (`PatchedPass`). An answer of several tokens is measured in a pass on the prompt and
the answer's tokens; if the foil begins with other tokens, in two passes, each with the same patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

import torch
from torch import Tensor, nn

from attnscope.capture import prepared
from attnscope.capture.attention_function import NAME
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.metrics.answer_passes import ScoringPass, scoring_passes, value_of
from attnscope.model.metrics.metric import Measurement
from attnscope.model.patching.patched_pass import PatchedPass, check_cancelled
from attnscope.model.patching.patches import Cell, Patch
from attnscope.model.patching.sweep import HeadGroup, Sweep
from attnscope.model.patching.sweep_plan import SweepPlan
from attnscope.model.residual_stream.stream import Stream
from attnscope.types import Observer

TOKENS_AT_ONCE = 2048
"""A batch holds at most this many tokens (and at least one patched row)."""

Row = TypeVar("Row")
Part = tuple[int, Patch, list[Cell | None]]
"""A layer, its activation, and what is patched of it in each row of a batch but the first."""


class ActivationPatching:
    """Run a sweep: the passes of both prompts, then batch after batch."""

    def __init__(self, probed: ProbedModel, stream: Stream, plan: SweepPlan, observer: Observer | None = None) -> None:
        self._probed = probed
        self._stream = stream
        self._plan = plan
        self._observer = observer
        self._error = 0.0
        traces = (plan.pair.clean, plan.pair.corrupted)
        self._scoring = [
            scoring_passes(trace.inputs, measurement)
            for trace, measurement in zip(traces, plan.measurements, strict=True)
        ]

    def run(self) -> Sweep:
        """Run every cell of the plan. Raises `UnsupportedError` if a part is unknown, `CancelledError` if cancelled."""
        plan = self._plan
        with prepared(self._probed.module, None) as clone:
            passes = [
                PatchedPass(clone, self._probed, self._stream, plan, clean, corrupted, self._observer)
                for clean, corrupted in zip(*self._scoring, strict=True)
            ]
            ends = [self._value(index, [one.caches[index].logits[None] for one in passes])[0] for index in range(2)]
            runs = self._grouped if plan.by == "group" else self._by_layer
            values, unchanged = runs(passes, ends[1])
        if plan.by == "layer":
            values, unchanged = values[:, 0], unchanged[:, 0]
        measurement = plan.measurement
        return Sweep(
            values=values,
            unchanged=unchanged,
            what=plan.what,
            by=plan.by,
            stack=plan.stack,
            metric=measurement.name,
            clean=float(ends[0]),
            corrupted=float(ends[1]),
            layers=plan.layers,
            columns=plan.columns,
            labels=plan.labels,
            sources=plan.sources,
            answer=measurement.answer,
            foil=measurement.foil,
            position=measurement.position,
            error=self._error,
            source_columns=plan.source_columns,
            notes=plan.notes,
        )

    def _by_layer(self, passes: Sequence[PatchedPass], before: Tensor) -> tuple[Tensor, Tensor]:
        """Values and `unchanged` [layer, column] of patches of single layers."""
        plan = self._plan
        values, unchanged = _empty(len(plan.layers), len(plan.columns))
        for row, layer in enumerate(plan.layers):
            patches = [one.patch(layer) for one in passes]
            cells = [self._cells(one, patch) for one, patch in zip(passes, patches, strict=True)]
            there = list(zip(*cells, strict=True))
            for chosen in self._batches([each for each in there if not _same(patches, each)]):
                check_cancelled(self._observer)
                parts = [
                    [(layer, patch, list(own))]
                    for patch, own in zip(patches, zip(*chosen, strict=True), strict=True)
                    if patch is not None
                ]
                found = self._measured(passes, parts, before)
                values[row, [each[0].column for each in chosen]] = found
            for each in there:
                if _same(patches, each):
                    values[row, each[0].column], unchanged[row, each[0].column] = before, True
            self._tell(row + 1, len(plan.layers))
        return values, unchanged

    def _grouped(self, passes: Sequence[PatchedPass], before: Tensor) -> tuple[Tensor, Tensor]:
        """Values and `unchanged` [group] of patches of several heads together."""
        plan, groups = self._plan, list(enumerate(self._plan.groups))
        values, unchanged = _empty(len(groups))
        live = plan.what == "attention" and any(len({layer for layer, _ in group}) > 1 for group in plan.groups)
        if live and (self._probed.architecture.route != "interface" or self._probed.architecture.outside):
            raise UnsupportedError(
                f"{self._probed.title} does not use transformers' attention interface, so the attention of heads of several "
                "layers cannot be patched together."
            )
        patches = [{} if live else {layer: one.patch(layer) for layer in plan.layers} for one in passes]
        rest: list[tuple[int, HeadGroup]] = []
        for column, group in groups:
            if all(_group_same(one, own, group) for one, own in zip(passes, patches, strict=True)):
                values[column], unchanged[column] = before, True
            else:
                rest.append((column, group))
        with ExitStack() as stack:
            captured: nn.Module | None = stack.enter_context(prepared(self._probed.module, NAME)) if live else None
            for done, chosen in enumerate(self._batches(rest), start=1):
                check_cancelled(self._observer)
                if captured is not None:
                    logits = [one.logits_of_attention(captured, [group for _, group in chosen]) for one in passes]
                    found = self._after_check(logits, before)
                else:
                    parts = [_parts(one, own, chosen) for one, own in zip(passes, patches, strict=True)]
                    found = self._measured(passes, parts, before)
                values[[column for column, _ in chosen]] = found
                self._tell(done, max(done, len(rest)))
        return values, unchanged

    def _measured(self, passes: Sequence[PatchedPass], parts: Sequence[Sequence[Part]], before: Tensor) -> Tensor:
        return self._after_check([one.logits(own) for one, own in zip(passes, parts, strict=True)], before)

    def _after_check(self, logits: Sequence[Tensor], before: Tensor) -> Tensor:
        """The metric of every row but the first, which has to be the corrupted prompt's."""
        found = self._value(1, logits)
        self._error = max(self._error, abs(float(found[0] - before)))
        return found[1:]

    def _value(self, index: int, logits: Sequence[Tensor]) -> Tensor:
        measurement: Measurement = self._plan.measurements[index]
        passes: Sequence[ScoringPass] = self._scoring[index]
        return value_of(measurement, passes, logits)

    def _cells(self, one: PatchedPass, patch: Patch | None) -> list[Cell]:
        plan = self._plan
        if patch is None:
            return []
        heads = None if plan.what in ("residual", "mlp") else plan.heads
        if plan.by == "head":
            own = patch.clean.shape[1]
            return [
                Cell(i, one.positions, (head,))
                for i, head in enumerate(plan.columns)
                if isinstance(head, int) and head < own
            ]
        if plan.by == "position":
            return [Cell(i, cell, heads) for i, cell in enumerate(plan.cells)]
        return [Cell(0, one.positions, heads)]

    def _batches(self, cells: Sequence[Row]) -> Iterator[Sequence[Row]]:
        longest = max(len(tokens) for tokens in self._plan.pair.corrupted.sides.values())
        added = max(one.added for one in self._scoring[1])
        rows = max(1, TOKENS_AT_ONCE // (longest + added) - 1)
        for start in range(0, len(cells), rows):
            yield cells[start : start + rows]

    def _tell(self, done: int, total: int) -> None:
        if self._observer is not None:
            self._observer.layer(done, total)


def _empty(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.full(shape, torch.nan, dtype=torch.float64), torch.zeros(shape, dtype=torch.bool)


def _same(patches: Sequence[Patch | None], cells: Sequence[Cell]) -> bool:
    """Whether a cell changes nothing in any pass."""
    return all(patch is not None and patch.same(cell) for patch, cell in zip(patches, cells, strict=True))


def _group_same(one: PatchedPass, patches: dict[int, Patch | None], group: HeadGroup) -> bool:
    if not patches:
        return one.same_attention(group)
    return all(
        patch is not None and patch.same(Cell(0, one.positions, (head,)))
        for layer, head in group
        for patch in [patches[layer]]
    )


def _parts(one: PatchedPass, patches: dict[int, Patch | None], chosen: Sequence[tuple[int, HeadGroup]]) -> list[Part]:
    """What a batch patches in each layer: in each row, the heads that its group has there."""
    found: list[Part] = []
    for layer, patch in patches.items():
        heads = [tuple(head for at, head in group if at == layer) for _, group in chosen]
        cells = [
            Cell(column, one.positions, own) if own else None for (column, _), own in zip(chosen, heads, strict=True)
        ]
        if patch is not None and any(heads):
            found.append((layer, patch, cells))
    return found
