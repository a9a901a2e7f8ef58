"""Activation patching: run the corrupted prompt with one activation at a time from the clean prompt (Vig et al. 2020).

The cells of one layer are rows of one batch. A batch starts at its layer: earlier blocks do not run but return their outputs
from the corrupted prompt's own pass, so only the later layers are computed, and the logits of only one position. Row 0 of every
batch is not patched; it has to reproduce the corrupted prediction, which verifies the shortcut.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.attention import QKRecord
from attnscope.capture import prepared
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.model.hf.hidden_states import relative
from attnscope.model.patching.activation_cache import ActivationCache, cache_activations, logits_at
from attnscope.model.patching.sweep import Sweep, measured
from attnscope.model.patching.sweep_plan import SweepPlan
from attnscope.model.residual_stream.blocks import Block, state_of
from attnscope.model.residual_stream.stream import Stream, replaced, with_state
from attnscope.trace import Trace
from attnscope.types import Observer

TOKENS_AT_ONCE = 2048
"""A batch holds at most this many tokens (and at least one patched row)."""


@dataclass(frozen=True)
class Cell:
    """One patch: its column, its positions and, for patches of heads, its heads."""

    column: int
    positions: tuple[int, ...]
    heads: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Patch:
    """One layer's activation in both runs: [token, heads, v_dim] for heads, or [token, 1, model_dim] for the stream."""

    clean: Tensor
    corrupted: Tensor

    def same(self, cell: Cell) -> bool:
        """Whether the activations are bitwise identical where the cell would patch."""
        heads = slice(None) if cell.heads is None else list(cell.heads)
        at = list(cell.positions)
        return torch.equal(self.clean[at][:, heads], self.corrupted[at][:, heads])

    def put(self, rows: Tensor, cells: Sequence[Cell]) -> Tensor:
        """`rows` (one for each cell, after row 0) with the clean activation patched in."""
        shaped = rows.reshape(len(cells) + 1, *self.clean.shape).clone()
        for row, cell in enumerate(cells, start=1):
            at = torch.tensor(cell.positions, device=rows.device)
            if cell.heads is None:
                shaped[row, at] = self.clean[at].to(shaped)
            else:
                heads = torch.tensor(cell.heads, device=rows.device)
                shaped[row, at[:, None], heads] = self.clean[at[:, None], heads].to(shaped)
        return shaped.reshape(rows.shape)


class ActivationPatching:
    """Run a sweep: the passes of both prompts, then batch after batch. `clean` and `corrupted` are traces of the same model."""

    def __init__(
        self,
        module: nn.Module,
        stream: Stream,
        projections: Mapping[str, Sequence[str | None]],
        plan: SweepPlan,
        clean: Trace,
        corrupted: Trace,
        tolerance: float,
    ) -> None:
        self._module = module
        self._stream = stream
        self._projections = projections
        self._plan = plan
        self._traces = clean, corrupted
        self._tolerance = tolerance
        self._tower = plan.stack if plan.stack in stream.towers else "decoder"
        self._blocks = stream.towers[self._tower]
        self._error = 0.0

    def run(self, observer: Observer | None = None) -> Sweep:
        """Run every cell of the plan. Raises `UnsupportedError` if a part is unknown, `CancelledError` if cancelled."""
        plan = self._plan
        shape = (len(plan.layers), len(plan.columns))
        unchanged = torch.zeros(shape, dtype=torch.bool)
        with prepared(self._module, None) as clone:
            clean, corrupted = self._recorded(clone, observer)
            ends = [self._metric(one.logits[None])[0] for one in (clean, corrupted)]
            values = torch.full(shape, torch.nan, dtype=torch.float64)
            for row, layer in enumerate(plan.layers):
                patch = self._patch(layer, clean, corrupted)
                cells = self._cells(patch)
                same = [cell for cell in cells if patch is not None and patch.same(cell)]
                for cell in same:
                    unchanged[row, cell.column] = True
                    values[row, cell.column] = ends[1]
                rest = [cell for cell in cells if cell not in same]
                for chosen in self._batches(rest):
                    _check_cancelled(observer)
                    assert patch is not None
                    found = self._metric(self._batch(clone, layer, patch, corrupted, chosen, observer))
                    self._error = max(self._error, abs(float(found[0] - ends[1])))
                    values[row, [cell.column for cell in chosen]] = found[1:]
                if observer is not None:
                    observer.layer(row + 1, len(plan.layers))
        if plan.by == "layer":
            values, unchanged = values[:, 0], unchanged[:, 0]
        return Sweep(
            values=values,
            unchanged=unchanged,
            what=plan.what,
            by=plan.by,
            stack=plan.stack,
            metric=plan.metric,
            clean=float(ends[0]),
            corrupted=float(ends[1]),
            layers=plan.layers,
            columns=plan.columns,
            labels=plan.labels,
            sources=plan.sources,
            answer=plan.answer.answer,
            foil=plan.answer.foil,
            position=plan.answer.position,
            error=self._error,
        )

    def _metric(self, logits: Tensor) -> Tensor:
        answer = self._plan.answer
        return measured(logits, self._plan.metric, answer.answer.id, None if answer.foil is None else answer.foil.id)

    def _recorded(self, clone: nn.Module, observer: Observer | None) -> tuple[ActivationCache, ActivationCache]:
        read = [self._projection(layer) for layer in self._plan.layers] if self._plan.what == "output" else []
        written = [self._mlp(layer) for layer in self._plan.layers] if self._plan.what == "mlp" else []
        found: list[ActivationCache] = []
        for trace in self._traces:
            _check_cancelled(observer)
            found.append(
                cache_activations(
                    clone,
                    self._stream,
                    trace.inputs,
                    self._plan.answer.position,
                    read=dict.fromkeys(path for path in read if path),
                    written=dict.fromkeys(path for path in written if path),
                )
            )
        return found[0], found[1]

    def _projection(self, layer: int) -> str | None:
        """W_O of a layer; None for a layer without attention. Raises `UnsupportedError` if W_O is unknown."""
        if self._traces[0].traced_stack(self._plan.stack).records[layer] is None:
            return None
        paths = self._projections[self._plan.stack]
        path = paths[layer] if layer < len(paths) else None
        if path is None:
            raise UnsupportedError(
                f"The heads of layer {layer} cannot be patched, because no output projection (W_O) reads "
                "their output directly."
            )
        return path

    def _mlp(self, layer: int) -> str | None:
        block = self._blocks[layer]
        if block.note is not None:
            raise UnsupportedError(f"The MLP of layer {layer} cannot be patched. {block.note}")
        return None if block.mlp is None else block.mlp.path

    def _call(self, layer: int) -> int:
        return self._blocks[layer].call

    def _patch(self, layer: int, clean: ActivationCache, corrupted: ActivationCache) -> Patch | None:
        """The activation of a layer in both runs; None if the layer has no such activation."""
        block, what = self._blocks[layer], self._plan.what
        if what == "residual":
            states = [state_of(one.outputs[block.path][block.call]) for one in (clean, corrupted)]
            return _of_stream(*(state[0] for state in states if state is not None))
        if what == "mlp":
            path = self._mlp(layer)
            return (
                None
                if path is None
                else _of_stream(clean.written[path][block.call], corrupted.written[path][block.call])
            )
        path = self._projection(layer)
        if path is None:
            return None
        heads = self._traces[0].layer_record(layer, self._plan.stack).shape.heads
        if what == "output":
            call = self._call(layer)
            first, second = (one.read[path][call].unflatten(-1, (heads, -1)) for one in (clean, corrupted))
            return Patch(first, second)
        return self._of_attention(layer)

    def _of_attention(self, layer: int) -> Patch:
        """Head outputs from the corrupted run's value vectors and either run's attention; nothing else is from the clean run."""
        records = [trace.layer_record(layer, self._plan.stack) for trace in self._traces]
        values = records[1]
        if not isinstance(values, QKRecord):
            raise UnsupportedError(
                f"The attention of layer {layer} cannot be patched, because its value vectors are unknown."
            )
        heads, rows = torch.arange(values.shape.heads), torch.arange(values.queries)
        v = values.v[values.key_head(heads)].float().cpu()
        first, second = ((one.attention(heads, rows) @ v).transpose(0, 1) for one in records)
        if values.gate is not None:
            gate = values.gate.float().cpu()
            first, second = first * gate, second * gate
        return Patch(first.to(values.v.device), second.to(values.v.device))

    def _cells(self, patch: Patch | None) -> list[Cell]:
        plan = self._plan
        if patch is None:
            return []
        heads = None if plan.what in ("residual", "mlp") else plan.heads
        if plan.by == "head":
            own = patch.clean.shape[1]
            return [
                Cell(i, plan.positions, (head,))
                for i, head in enumerate(plan.columns)
                if isinstance(head, int) and head < own
            ]
        if plan.by == "position":
            return [Cell(i, cell, heads) for i, cell in enumerate(plan.cells)]
        return [Cell(0, plan.positions, heads)]

    def _batches(self, cells: Sequence[Cell]) -> Iterator[Sequence[Cell]]:
        rows = max(1, TOKENS_AT_ONCE // max(len(tokens) for tokens in self._traces[1].sides.values()) - 1)
        for start in range(0, len(cells), rows):
            yield cells[start : start + rows]

    def _batch(
        self,
        clone: nn.Module,
        layer: int,
        patch: Patch,
        corrupted: ActivationCache,
        cells: Sequence[Cell],
        observer: Observer | None,
    ) -> Tensor:
        """Logits [1 + cell, vocab] of one batch, whose first row is not patched."""
        rows = len(cells) + 1
        block, what = self._blocks[layer], self._plan.what
        skipped = self._skipped(layer + 1 if what == "residual" else layer)
        outputs = {
            path: [_expanded(output, rows) for output in corrupted.outputs[path][:calls]]
            for path, calls in skipped.items()
        }
        if what == "residual":
            own = outputs[block.path]
            state = state_of(own[block.call])
            assert state is not None
            own[block.call] = with_state(own[block.call], patch.put(state, cells))
        inputs = {name: _input_rows(value, rows) for name, value in self._traces[1].inputs.items()}
        with ExitStack() as stack:
            stack.enter_context(replaced(clone, outputs))
            if what == "mlp":
                path = self._mlp(layer)
                assert path is not None
                stack.enter_context(_first_output(clone.get_submodule(path), patch, cells))
            elif what != "residual":
                path = self._projection(layer)
                assert path is not None
                stack.enter_context(_first_input(clone.get_submodule(path), patch, cells))
            stack.enter_context(_watched(clone, self._blocks, observer))
            logits = logits_at(clone, inputs, self._plan.answer.position)
        error = relative(logits[0], corrupted.logits)
        if not error <= self._tolerance:
            raise UnsupportedError(
                f"The logits of {type(clone).__name__} change by {error:.2g} when a prompt runs in a batch, so "
                "attnscope cannot patch prompts in it."
            )
        return logits

    def _skipped(self, layers: int) -> dict[str, int]:
        """The number of calls to skip for each block: those of the tower's first `layers` layers, and of towers before it."""
        found: dict[str, int] = {}
        for tower, blocks in self._stream.towers.items():
            if tower == self._tower:
                chosen: Sequence[Block] = blocks[:layers]
            else:
                chosen = blocks if tower == "encoder" else ()
            for block in chosen:
                found[block.path] = found.get(block.path, 0) + 1
        return found


def _of_stream(clean: Tensor, corrupted: Tensor) -> Patch:
    return Patch(clean[:, None], corrupted[:, None])


def _check_cancelled(observer: Observer | None) -> None:
    if observer is not None and observer.cancelled():
        raise CancelledError("The run was cancelled.")


def _rows(value: Tensor, rows: int) -> Tensor:
    return value.expand(rows, *value.shape[1:]) if value.ndim and value.shape[0] == 1 else value


def _input_rows(value: Tensor, rows: int) -> Tensor:
    """An input of a batch of one, for a batch of `rows` rows. The patches of all images may be one sequence (Qwen-VL)."""
    return value.repeat(rows, *[1] * (value.ndim - 1)) if value.ndim > 1 and value.shape[0] > 1 else _rows(value, rows)


def _expanded(output: Any, rows: int) -> Any:
    """A recorded output for a batch of `rows` rows. The state is copied, because a model may write into it."""
    if isinstance(output, Tensor):
        return _rows(output, rows).contiguous()
    if type(output) in (tuple, list):
        return type(output)(_expanded(part, rows) for part in output)
    return output


@contextmanager
def _first_input(module: nn.Module, patch: Patch, cells: Sequence[Cell]) -> Generator[None]:
    """Inside the `with` statement, the module's first call reads patched rows."""
    handle: Any = None

    def change(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        handle.remove()
        return (patch.put(args[0], cells), *args[1:])

    handle = module.register_forward_pre_hook(change)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _first_output(module: nn.Module, patch: Patch, cells: Sequence[Cell]) -> Generator[None]:
    """Inside the `with` statement, the module's first call writes patched rows."""
    handle: Any = None

    def change(_module: nn.Module, _args: Any, output: Any) -> Any:
        handle.remove()
        state = state_of(output)
        return output if state is None else with_state(output, patch.put(state, cells))

    handle = module.register_forward_hook(change)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _watched(clone: nn.Module, blocks: Sequence[Block], observer: Observer | None) -> Generator[None]:
    """Inside the `with` statement, every block of the model checks for cancellation."""

    def check(_module: nn.Module, _args: Any) -> None:
        _check_cancelled(observer)

    paths = dict.fromkeys(block.path for block in blocks) if observer is not None else {}
    handles = [clone.get_submodule(path).register_forward_pre_hook(check) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
