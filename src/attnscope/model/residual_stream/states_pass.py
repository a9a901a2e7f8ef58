"""The pass behind `States`: the residual stream after every block, and every part of the final state at chosen positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.attention import QKRecord
from attnscope.capture import Places, Recorder, accepted, capturing, pass_options, prepared
from attnscope.capture.attention_function import NAME
from attnscope.edits.plan import Plan
from attnscope.errors import CancelledError
from attnscope.model.metrics.answer import logits_only
from attnscope.model.residual_stream.blocks import Addend, Block, state_in, state_of
from attnscope.model.residual_stream.hooks import PositionRecorder
from attnscope.model.residual_stream.layer_norm import norm_of
from attnscope.model.residual_stream.logit_attribution import Part, Share, attributed
from attnscope.model.residual_stream.stream import (
    Outputs,
    Stream,
    Unembedding,
    bias_of,
    replaced,
    weight_of,
    with_state,
)
from attnscope.trace import Trace
from attnscope.trace.stack import TracedStack, projected
from attnscope.types import Observer

_LOGITS_AT_ONCE = 64 * 2**20
"""At most this many logits are computed at once, if the model can be options for some positions only."""


_ROUNDING = 1e-6
"""A difference of logits below this fraction of the largest is rounding, not a soft cap."""


@dataclass(frozen=True)
class PassEdits:
    """Edits that are active in the pass: their plan, and the place of each attention call."""

    plan: Plan
    places: Places

    def adds_to(self, tower: str, layer: int) -> bool:
        """Whether a vector is added to the stream in this layer."""
        found = self.plan.at(tower, layer)
        return found is not None and bool(found.vectors)


@dataclass(frozen=True, eq=False)
class PassInput:
    """What a pass runs on: the model inputs, the attention that was traced for them, and the number of tokens of the stream."""

    inputs: Mapping[str, Tensor]
    stacks: Mapping[str, TracedStack]
    tokens: int

    @classmethod
    def of(cls, trace: Trace, tower: str) -> PassInput:
        """The inputs of a trace."""
        stacks = {name: trace.traced_stack(name) for name in trace.stacks}
        return cls(trace.inputs, stacks, len(trace.tokens_for(tower)[0]))


class StatesPass:
    """The pass and its results. `logits` [position, vocab] are those of the positions, None if the model predicts no tokens."""

    def __init__(
        self,
        module: nn.Module,
        stream: Stream,
        given: PassInput,
        positions: Sequence[int],
        edited: PassEdits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._module = module
        self._stream = stream
        self._inputs = given.inputs
        self._stacks = given.stacks
        self._positions = tuple(positions)
        self._edited = edited
        self.tower = stream.last
        self.blocks = stream.towers[self.tower]
        self.tokens = given.tokens
        every = [block for blocks in stream.towers.values() for block in blocks]
        with ExitStack() as stack:
            clone = stack.enter_context(prepared(module, None if edited is None else NAME))
            stack.enter_context(torch.no_grad())
            if edited is not None:
                stack.enter_context(capturing(clone, Recorder(places=edited.places, plan=edited.plan, keeps=False)))
            outputs = Outputs(clone, every)
            entry = _Entry(clone, self.blocks[0])
            watcher = _Watcher(clone, every, observer)
            self._recorder = PositionRecorder(self._positions, self.tokens).on(
                clone, _paths(self.blocks, stream.unembedding)
            )
            try:
                output = clone(**self._inputs, **pass_options(clone, **logits_only(self._inputs, self._positions)))
            finally:
                for hook in (outputs, entry, watcher, self._recorder):
                    hook.close()
        self._outputs = outputs.by_path
        states = [state_of(outputs.of(block)) for block in self.blocks]
        self.states: list[Tensor] = [entry.state, *(state[0] for state in states if state is not None)]
        logits = getattr(output, "logits", None)
        self.logits: Tensor | None = None
        if stream.logits and isinstance(logits, Tensor):
            kept = len(self._positions) == logits.shape[1] and self.tokens != logits.shape[1]
            rows = logits[0] if kept else logits[0, list(self._positions)]
            self.logits = rows.detach().float().cpu()

    def reading(self, after: int, positions: Sequence[int] | None = None) -> Tensor:
        """Logits [position, vocab] of the states after `after` layers, from the rest of the model alone: no block runs.

        They are those of all tokens, or of `positions`.
        """
        last = self.blocks[-1]
        outputs = {path: list(calls) for path, calls in self._outputs.items()}
        outputs[last.path][last.call] = with_state(outputs[last.path][last.call], self.states[after][None].clone())
        found: list[Tensor] = []
        with prepared(self._module, None) as clone, torch.no_grad():
            for rows in self._rows(clone, range(self.tokens) if positions is None else positions):
                options = {} if rows is None else {"logits_to_keep": rows}
                with replaced(clone, outputs):
                    arguments = pass_options(clone, **options)
                    logits = clone(**self._inputs, **arguments).logits[0].float().cpu()
                found.append(logits if rows is not None or positions is None else logits[list(positions)])
        return torch.cat(found)

    def shares(self, index: int, answer: int | None, foil: int | None) -> tuple[list[Share], float]:
        """The share of every part of the final state in one logit minus another at the `index`-th position, and their difference.

        Either token may be None. The unembedding has to be known.
        """
        unembedding, logits = self._stream.unembedding, None if self.logits is None else self.logits[index]
        assert unembedding is not None and logits is not None
        signed = [(ident, sign) for ident, sign in ((answer, 1.0), (foil, -1.0)) if ident is not None]
        module = self._module.get_submodule(unembedding.path)
        weight, bias = weight_of(module), bias_of(module).expand(len(logits))
        direction = sum((weight[ident].double() * sign for ident, sign in signed), torch.zeros(()).double())
        constant = sum(float(bias[ident]) * sign for ident, sign in signed) * unembedding.scale
        total = sum(float(logits[ident]) * sign for ident, sign in signed)
        direction = direction * unembedding.factor * unembedding.scale
        norm, scale = None, 1.0
        if unembedding.norm is not None:
            norm = norm_of(self._module.get_submodule(unembedding.norm), direction.shape[0])
            vectors_at_norm = self._recorder.of(unembedding.norm, 0, index)
            assert norm is not None and vectors_at_norm.input is not None and vectors_at_norm.output is not None
            up = norm.scaled(vectors_at_norm.input)
            scale = float((up * up).sum() / (up * (vectors_at_norm.output - norm.bias)).sum())
            constant += float(norm.bias.double() @ direction)
        own = self._recorder.of(unembedding.path, 0, index).output
        assert own is not None
        linear = sum(float(own[ident]) * sign for ident, sign in signed)
        after = total - linear * unembedding.scale
        shares = attributed(list(self._parts(index)), direction, norm, scale)
        if unembedding.after == "bias":
            constant += after
        if constant:
            shares.append(Share("final_bias", None, None, None, constant))
        if unembedding.after != "bias" and abs(after) > _ROUNDING * float(logits.abs().max()):
            shares.append(Share("cap", None, None, None, after))
        return shares, total

    def _rows(self, clone: nn.Module, positions: Sequence[int]) -> Iterator[Tensor | None]:
        if self.logits is None or not accepted(clone, logits_to_keep=1):
            yield None
            return
        device = next(iter(self._inputs.values())).device
        yield from torch.tensor(list(positions), device=device).split(max(1, _LOGITS_AT_ONCE // self.logits.shape[-1]))

    def _parts(self, index: int) -> Iterator[Part]:
        at = self._positions[index]
        yield Part("embedding", None, None, None, self.states[0][at].float().cpu())
        for layer, block in enumerate(self.blocks):
            if block.note is not None:
                added = self.states[layer + 1][at].double() - self.states[layer][at].double()
                yield Part("block", layer, None, None, added.cpu())
                continue
            for stack, addend in block.attention.items():
                yield from self._heads(index, layer, stack, addend, block.call)
            if block.mlp is not None:
                yield Part("mlp", layer, None, None, self._added(index, block.mlp, block.call))
            if self._edited is not None and self._edited.adds_to(self.tower, layer):
                yield self._vector(index, layer, block)

    def _vector(self, index: int, layer: int, block: Block) -> Part:
        """What edits added to the stream in a block: what remains after subtracting the outputs of its parts."""
        at = self._positions[index]
        rest = (self.states[layer + 1][at].double() - self.states[layer][at].double()).cpu()
        for addend in (*block.attention.values(), *([block.mlp] if block.mlp else [])):
            rest = rest - self._added(index, addend, block.call)
        return Part("edit", layer, None, None, rest)

    def _added(self, index: int, addend: Addend, call: int) -> Tensor:
        output = self._recorder.of(addend.path, call, index).output
        assert output is not None
        return output.double() * addend.factor

    def _heads(self, index: int, layer: int, stack: str, addend: Addend, call: int) -> Iterator[Part]:
        traced = self._stacks[stack]
        record = traced.records[layer]
        module = traced.projections[layer] if layer < len(traced.projections) else None
        if not addend.split or not isinstance(record, QKRecord) or module is None:
            yield Part("attention", layer, None, stack, self._added(index, addend, call))
            return
        heads, width = record.shape.heads, record.shape.v_dim
        own = record.passed_on(torch.arange(heads), torch.tensor([self._positions[index]]))[:, 0]
        alone = torch.zeros(heads, heads, width)
        alone[torch.arange(heads), torch.arange(heads)] = own
        vectors = projected(module, record, alone.flatten(1)).double()
        bias = constant_of(module, heads * width).double()
        if addend.norm is not None:
            norm, vectors_at_norm = (
                norm_of(self._module.get_submodule(addend.norm), vectors.shape[-1]),
                self._recorder.of(addend.norm, call, index),
            )
            assert norm is not None and vectors_at_norm.input is not None and vectors_at_norm.output is not None
            up = norm.scaled(vectors_at_norm.input)
            scale = float((up * up).sum() / (up * (vectors_at_norm.output - norm.bias)).sum())
            vectors = norm.scaled(vectors) / scale
            bias = norm.scaled(bias) / scale + norm.bias
        for head in range(heads):
            yield Part("head", layer, head, stack, vectors[head] * addend.factor)
        if bool(bias.any()):
            yield Part("attention_bias", layer, None, stack, bias * addend.factor)


def constant_of(module: nn.Module, width: int) -> Tensor:
    """The constant term of a linear module: its output [model_dim] for zeros, float32."""
    parameter = next(module.parameters())
    with torch.no_grad():
        return module(torch.zeros(1, width, device=parameter.device, dtype=parameter.dtype))[0].float().cpu()


def _paths(blocks: tuple[Block, ...], unembedding: Unembedding | None) -> Iterator[str]:
    for block in blocks:
        for addend in (*block.attention.values(), *([block.mlp] if block.mlp else [])):
            yield addend.path
            if addend.norm is not None:
                yield addend.norm
    if unembedding is not None:
        yield unembedding.path
        if unembedding.norm is not None:
            yield unembedding.norm


class _Entry:
    """A hook that records the state that the first block receives."""

    def __init__(self, clone: nn.Module, first: Block) -> None:
        self.state = torch.zeros(0)
        self._handle = clone.get_submodule(first.path).register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, _module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        state = state_in(args, kwargs)
        if state is not None and not self.state.numel():
            self.state = state[0].detach().clone()

    def close(self) -> None:
        """Remove the hook."""
        self._handle.remove()


class _Watcher:
    """Hooks that report every block to an observer, and stop the pass if it cancels."""

    def __init__(self, clone: nn.Module, blocks: list[Block], observer: Observer | None) -> None:
        self._observer = observer
        self._total = len(blocks)
        self._done = 0
        paths = dict.fromkeys(block.path for block in blocks)
        self._handles = [clone.get_submodule(path).register_forward_hook(self._tell) for path in paths]

    def _tell(self, _module: nn.Module, _args: Any, _output: Any) -> None:
        self._done += 1
        if self._observer is not None:
            if self._observer.cancelled():
                raise CancelledError("The run was cancelled.")
            self._observer.layer(self._done, self._total)

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
