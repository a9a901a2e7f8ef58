"""One scoring pass of both prompts: its activations, and batches of the corrupted prompt in which they are patched.

A batch starts at its first patched layer: earlier blocks do not run but return their outputs from the corrupted prompt's own
pass, so only the later layers are computed, and only the logits that are measured. Row 0 of every batch is not patched; it has
to reproduce the corrupted prediction, which verifies the shortcut.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord
from attnscope.capture import Recorder, capturing
from attnscope.edits.plan import Plan
from attnscope.edits.stages import LayerPlan, PatchedRows
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.hf.hidden_states import relative
from attnscope.model.metrics.answer import logits_at
from attnscope.model.metrics.answer_passes import ScoringPass
from attnscope.model.patching.activation_cache import ActivationCache, cache_activations
from attnscope.model.patching.patches import (
    Cell,
    Patch,
    attention_between,
    patch_between,
    patched_input,
    patched_output,
)
from attnscope.model.patching.prompt_pair import Correspondence
from attnscope.model.patching.sweep import HeadGroup
from attnscope.model.patching.sweep_plan import SweepPlan
from attnscope.model.residual_stream.blocks import Block, state_of
from attnscope.model.residual_stream.stream import Stream, replaced, with_state
from attnscope.model.tracing.run import run
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer

Stacks = Mapping[str, TracedStack]


@dataclass(frozen=True, eq=False)
class PatchedPass:
    """One scoring pass of the clean and of the corrupted prompt. `clean` and `corrupted` score the same continuations."""

    clone: nn.Module
    probed: ProbedModel
    stream: Stream
    plan: SweepPlan
    clean: ScoringPass
    corrupted: ScoringPass
    observer: Observer | None = None

    @cached_property
    def tower(self) -> str:
        """The tower whose blocks are patched."""
        return self.plan.stack if self.plan.stack in self.stream.towers else "decoder"

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of that tower."""
        return self.stream.towers[self.tower]

    @cached_property
    def caches(self) -> tuple[ActivationCache, ActivationCache]:
        """The activations of both prompts."""
        read = [self._projection(layer) for layer in self.plan.layers] if self.plan.what == "output" else []
        written = [self._mlp(layer) for layer in self.plan.layers] if self.plan.what == "mlp" else []
        found: list[ActivationCache] = []
        for one in (self.clean, self.corrupted):
            check_cancelled(self.observer)
            found.append(
                cache_activations(
                    self.clone,
                    self.stream,
                    one.inputs,
                    one.positions,
                    read=dict.fromkeys(path for path in read if path),
                    written=dict.fromkeys(path for path in written if path),
                )
            )
        return found[0], found[1]

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """What a patch covers that has no positions of its own."""
        return (
            tuple(sorted(self._between(self.plan.side).sources)) if self.plan.positions is None else self.plan.positions
        )

    def patch(self, layer: int) -> Patch | None:
        """The activation of a layer in both runs; None if the layer has no such activation."""
        block, what, caches = self.blocks[layer], self.plan.what, self.caches
        between = self._between(self.plan.side)
        if what == "residual":
            states = [state_of(one.outputs[block.path][block.call]) for one in caches]
            first, second = (state[0][:, None] for state in states if state is not None)
            return patch_between(first, second, between)
        if what == "mlp":
            path = self._mlp(layer)
            if path is None:
                return None
            first, second = (one.written[path][block.call][:, None] for one in caches)
            return patch_between(first, second, between)
        path = self._projection(layer)
        if path is None:
            return None
        if what == "output":
            heads = self.plan.pair.corrupted.layer_record(layer, self.plan.stack).shape.heads
            first, second = (one.read[path][block.call].unflatten(-1, (heads, -1)) for one in caches)
            return patch_between(first, second, between)
        return self._of_attention(layer)

    def logits(self, parts: Sequence[tuple[int, Patch, Sequence[Cell | None]]]) -> Float[Tensor, "row position vocab"]:
        """Logits of one batch, whose first row is not patched. Each part patches one layer, with a cell for every other row."""
        rows = len(parts[0][2]) + 1
        what, start = self.plan.what, min(layer for layer, _, _ in parts)
        skipped = self._skipped(start + 1 if what == "residual" else start)
        outputs = {
            path: [_expanded(output, rows) for output in self.caches[1].outputs[path][:calls]]
            for path, calls in skipped.items()
        }
        for layer, patch, cells in parts if what == "residual" else ():
            block = self.blocks[layer]
            own = outputs[block.path]
            state = state_of(own[block.call])
            assert state is not None
            own[block.call] = with_state(own[block.call], patch.put(state, cells))
        with ExitStack() as stack:
            stack.enter_context(replaced(self.clone, outputs))
            for layer, patch, cells in parts if what != "residual" else ():
                block = self.blocks[layer]
                path, patched = (
                    (self._mlp(layer), patched_output) if what == "mlp" else (self._projection(layer), patched_input)
                )
                assert path is not None
                call = block.call - skipped.get(block.path, 0)
                stack.enter_context(patched(self.clone.get_submodule(path), call, patch, cells))
            stack.enter_context(_watched(self.clone, self.blocks, self.observer))
            logits = logits_at(self.clone, self._input_rows(rows), self.corrupted.positions)
        return self._checked(logits)

    def logits_of_attention(self, clone: nn.Module, groups: Sequence[HeadGroup]) -> Float[Tensor, "row position vocab"]:
        """Logits of a batch in which each row but the first takes the attention of a group of heads from the clean run.

        The heads' value vectors are the row's own, after the patches of earlier layers. `clone` has captured attention.
        """
        layers: dict[tuple[str, int], list[PatchedRows]] = {}
        for row, group in enumerate(groups, start=1):
            for layer, head in group:
                patched = self._patched_rows(layer, head, row)
                layers.setdefault((self.plan.stack, layer), []).append(patched)
        plan = Plan((), {place: LayerPlan((), tuple(rows), (), ()) for place, rows in layers.items()})
        recorder = Recorder(places=self.probed.architecture.places, plan=plan, keeps=False, observer=self.observer)
        with capturing(clone, recorder):
            logits = logits_at(clone, self._input_rows(len(groups) + 1), self.corrupted.positions)
        return self._checked(logits)

    def same_attention(self, group: HeadGroup) -> bool:
        """Whether the attention of these heads is bitwise the same in both runs where it would be patched."""
        at = list(self.positions)
        return all(
            torch.equal(clean[head, at], own[head, at])
            for layer, head in group
            for clean, own in [self._attention(layer)]
        )

    def _checked(self, logits: Tensor) -> Tensor:
        error = relative(logits[0], self.caches[1].logits)
        if not error <= self.probed.tolerance:
            raise UnsupportedError(
                f"The logits of {type(self.clone).__name__} change by {error:.2g} when a prompt runs in a batch, so "
                "attnscope cannot patch prompts in it."
            )
        return logits

    def _patched_rows(self, layer: int, head: int, row: int) -> PatchedRows:
        weights = self._attention(layer)[0][head]
        return PatchedRows(
            row, head, lambda at: weights[at], *weights.shape, whole=False, only=frozenset(self.positions)
        )

    @cached_property
    def _stacks(self) -> tuple[Stacks, Stacks]:
        """The attention of both prompts, followed by the answer's tokens."""
        pair, stack = self.plan.pair, self.plan.stack
        if not self.corrupted.added:
            return {stack: pair.clean.traced_stack(stack)}, {stack: pair.corrupted.traced_stack(stack)}
        first, second = (run(self.probed, one.inputs, self.observer).stacks for one in (self.clean, self.corrupted))
        return first, second

    @cached_property
    def _attentions(self) -> dict[int, tuple[Tensor, Tensor]]:
        return {}

    def _attention(self, layer: int) -> tuple[Tensor, Tensor]:
        """The weights [head, query, key] of a layer that are patched, at the corrupted prompt's positions, and its own."""
        if layer not in self._attentions:
            if len(self.plan.groups) == 0:
                self._attentions.clear()
            records = self._records(layer)
            every = [
                one.attention(torch.arange(one.shape.heads), torch.arange(one.queries)).float().cpu() for one in records
            ]
            stack = self.plan.pair.corrupted.traced_stack(self.plan.stack)
            between = self._between(stack.query_side), self._between(stack.key_side)
            self._attentions[layer] = attention_between(every[0], every[1], *between), every[1]
        return self._attentions[layer]

    def _records(self, layer: int) -> tuple[LayerRecord, LayerRecord]:
        first, second = (stacks[self.plan.stack].records[layer] for stacks in self._stacks)
        if first is None or not isinstance(second, QKRecord):
            raise UnsupportedError(
                f"The attention of layer {layer} cannot be patched, because its value vectors are unknown."
            )
        return first, second

    def _of_attention(self, layer: int) -> Patch:
        """Head outputs from the corrupted run's value vectors and either run's attention; nothing else is from the clean run."""
        values = self._records(layer)[1]
        assert isinstance(values, QKRecord)
        v = values.v[values.key_head(torch.arange(values.shape.heads))].float().cpu()
        first, second = ((one @ v).transpose(0, 1) for one in self._attention(layer))
        if values.gate is not None:
            gate = values.gate.float().cpu()
            first, second = first * gate, second * gate
        return Patch(first.to(values.v.device), second.to(values.v.device))

    def _between(self, side: str) -> Correspondence:
        found = self.plan.pair.sides[side]
        of_answer = self.plan.pair.corrupted.traced_stack(self.stream.last).query_side
        return found.extended(self.corrupted.added) if side == of_answer else found

    def _projection(self, layer: int) -> str | None:
        """W_O of a layer; None for a layer without attention. Raises `UnsupportedError` if W_O is unknown."""
        if self.plan.pair.clean.traced_stack(self.plan.stack).records[layer] is None:
            return None
        paths = self.probed.architecture.stacks[self.plan.stack].projections
        path = paths[layer] if layer < len(paths) else None
        if path is None:
            raise UnsupportedError(
                f"The heads of layer {layer} cannot be patched, because no output projection (W_O) reads "
                "their output directly."
            )
        return path

    def _mlp(self, layer: int) -> str | None:
        block = self.blocks[layer]
        if block.note is not None:
            raise UnsupportedError(f"The MLP of layer {layer} cannot be patched. {block.note}")
        return None if block.mlp is None else block.mlp.path

    def _input_rows(self, rows: int) -> dict[str, Tensor]:
        return {name: _input_rows(value, rows) for name, value in self.corrupted.inputs.items()}

    def _skipped(self, layers: int) -> dict[str, int]:
        """The number of calls to skip for each block: those of the tower's first `layers` layers, and of towers before it."""
        found: dict[str, int] = {}
        for tower, blocks in self.stream.towers.items():
            if tower == self.tower:
                chosen: Sequence[Block] = blocks[:layers]
            else:
                chosen = blocks if tower == "encoder" else ()
            for block in chosen:
                found[block.path] = found.get(block.path, 0) + 1
        return found


def check_cancelled(observer: Observer | None) -> None:
    """Raise `CancelledError` if the observer cancels the run."""
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
def _watched(clone: nn.Module, blocks: Sequence[Block], observer: Observer | None) -> Generator[None]:
    """Inside the `with` statement, every block of the model checks for cancellation."""

    def check(_module: nn.Module, _args: Any) -> None:
        check_cancelled(observer)

    paths = dict.fromkeys(block.path for block in blocks) if observer is not None else {}
    handles = [clone.get_submodule(path).register_forward_pre_hook(check) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
