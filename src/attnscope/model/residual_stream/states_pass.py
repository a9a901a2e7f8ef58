"""The pass behind `States`: the residual stream after every block, and every part of the final state at one position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from attnscope.model.metrics.answer import Answer, last_only
from attnscope.model.residual_stream.blocks import Addend, Block, state_in, state_of
from attnscope.model.residual_stream.hooks import PositionRecorder
from attnscope.model.residual_stream.layer_norm import norm_of
from attnscope.model.residual_stream.logit_attribution import Contributions, Part, Share, attributed
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
from attnscope.trace.stack import projected
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


class StatesPass:
    """The pass and its results. It runs on the inputs of the trace."""

    def __init__(
        self,
        module: nn.Module,
        stream: Stream,
        trace: Trace,
        position: int,
        edited: PassEdits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._module = module
        self._stream = stream
        self._trace = trace
        self._position = position
        self._edited = edited
        self.tower = stream.last
        self.blocks = stream.towers[self.tower]
        self._tokens = len(trace.tokens_for(self.tower)[0])
        every = [block for blocks in stream.towers.values() for block in blocks]
        with ExitStack() as stack:
            clone = stack.enter_context(prepared(module, None if edited is None else NAME))
            stack.enter_context(torch.no_grad())
            if edited is not None:
                stack.enter_context(capturing(clone, Recorder(places=edited.places, plan=edited.plan, keeps=False)))
            outputs = Outputs(clone, every)
            entry = _Entry(clone, self.blocks[0])
            watcher = _Watcher(clone, every, observer)
            self._recorder = PositionRecorder(position, self._tokens).on(clone, _paths(self.blocks, stream.unembedding))
            try:
                output = clone(**trace.inputs, **pass_options(clone, **self._keep()))
            finally:
                for hook in (outputs, entry, watcher, self._recorder):
                    hook.close()
        self._outputs = outputs.by_path
        states = [state_of(outputs.of(block)) for block in self.blocks]
        self.states: list[Tensor] = [entry.state, *(state[0] for state in states if state is not None)]
        logits = getattr(output, "logits", None)
        self.logits: Tensor | None = None
        if stream.logits and isinstance(logits, Tensor):
            row = logits[0, position if logits.shape[1] == self._tokens else 0]
            self.logits = row.detach().float().cpu()

    def reading(self, after: int) -> Tensor:
        """Logits [token, vocab] of the states after `after` layers, from the rest of the model alone: no block runs."""
        last = self.blocks[-1]
        outputs = {path: list(calls) for path, calls in self._outputs.items()}
        outputs[last.path][last.call] = with_state(outputs[last.path][last.call], self.states[after][None].clone())
        found: list[Tensor] = []
        with prepared(self._module, None) as clone, torch.no_grad():
            for rows in self._rows(clone):
                options = {} if rows is None else last_only(self._trace.inputs, 0) | {"logits_to_keep": rows}
                with replaced(clone, outputs):
                    arguments = pass_options(clone, **options)
                    found.append(clone(**self._trace.inputs, **arguments).logits[0].float().cpu())
        return torch.cat(found)

    def contributions(self, answer: Answer) -> Contributions | None:
        """The share of every part of the final state in the answer's logit; None if the unembedding is unknown."""
        unembedding = self._stream.unembedding
        if unembedding is None or self.logits is None:
            return None
        module = self._module.get_submodule(unembedding.path)
        weight, bias = weight_of(module), bias_of(module).expand(len(self.logits))
        direction, constant = weight[answer.answer.id].double(), float(bias[answer.answer.id])
        total = float(self.logits[answer.answer.id])
        if answer.foil is not None:
            direction = direction - weight[answer.foil.id].double()
            constant -= float(bias[answer.foil.id])
            total -= float(self.logits[answer.foil.id])
        constant *= unembedding.scale
        direction = direction * unembedding.factor * unembedding.scale
        norm, scale = None, 1.0
        if unembedding.norm is not None:
            norm = norm_of(self._module.get_submodule(unembedding.norm), direction.shape[0])
            vectors_at_norm = self._recorder.of(unembedding.norm)
            assert norm is not None and vectors_at_norm.input is not None and vectors_at_norm.output is not None
            up = norm.scaled(vectors_at_norm.input)
            scale = float((up * up).sum() / (up * (vectors_at_norm.output - norm.bias)).sum())
            constant += float(norm.bias.double() @ direction)
        own = self._recorder.of(unembedding.path).output
        assert own is not None
        linear = float(own[answer.answer.id]) - (0.0 if answer.foil is None else float(own[answer.foil.id]))
        after = total - linear * unembedding.scale
        shares = attributed(list(self._parts()), direction, norm, scale)
        if unembedding.after == "bias":
            constant += after
        if constant:
            shares.append(Share("final_bias", None, None, None, constant))
        if unembedding.after != "bias" and abs(after) > _ROUNDING * float(self.logits.abs().max()):
            shares.append(Share("cap", None, None, None, after))
        return Contributions(tuple(shares), total, answer.answer, answer.foil, self._position)

    def _keep(self) -> dict[str, Any]:
        return last_only(self._trace.inputs, self._position)

    def _rows(self, clone: nn.Module) -> Iterator[Tensor | None]:
        if self.logits is None or not accepted(clone, logits_to_keep=1):
            yield None
            return
        device = next(iter(self._trace.inputs.values())).device
        yield from torch.arange(self._tokens, device=device).split(max(1, _LOGITS_AT_ONCE // len(self.logits)))

    def _parts(self) -> Iterator[Part]:
        at = self._position
        yield Part("embedding", None, None, None, self.states[0][at].float().cpu())
        for layer, block in enumerate(self.blocks):
            if block.note is not None:
                added = self.states[layer + 1][at].double() - self.states[layer][at].double()
                yield Part("block", layer, None, None, added.cpu())
                continue
            for stack, addend in block.attention.items():
                yield from self._heads(layer, stack, addend, block.call)
            if block.mlp is not None:
                yield Part("mlp", layer, None, None, self._added(block.mlp, block.call))
            if self._edited is not None and self._edited.adds_to(self.tower, layer):
                yield self._vector(layer, block)

    def _vector(self, layer: int, block: Block) -> Part:
        """What edits added to the stream in a block: what remains after subtracting the outputs of its parts."""
        at = self._position
        rest = (self.states[layer + 1][at].double() - self.states[layer][at].double()).cpu()
        for addend in (*block.attention.values(), *([block.mlp] if block.mlp else [])):
            rest = rest - self._added(addend, block.call)
        return Part("edit", layer, None, None, rest)

    def _added(self, addend: Addend, call: int) -> Tensor:
        output = self._recorder.of(addend.path, call).output
        assert output is not None
        return output.double() * addend.factor

    def _heads(self, layer: int, stack: str, addend: Addend, call: int) -> Iterator[Part]:
        traced = self._trace.traced_stack(stack)
        record = traced.records[layer]
        module = traced.projections[layer] if layer < len(traced.projections) else None
        if not addend.split or not isinstance(record, QKRecord) or module is None:
            yield Part("attention", layer, None, stack, self._added(addend, call))
            return
        heads, width = record.shape.heads, record.shape.v_dim
        own = record.passed_on(torch.arange(heads), torch.tensor([self._position]))[:, 0]
        alone = torch.zeros(heads, heads, width)
        alone[torch.arange(heads), torch.arange(heads)] = own
        vectors = projected(module, record, alone.flatten(1)).double()
        bias = constant_of(module, heads * width).double()
        if addend.norm is not None:
            norm, vectors_at_norm = (
                norm_of(self._module.get_submodule(addend.norm), vectors.shape[-1]),
                self._recorder.of(addend.norm, call),
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
