"""The residual stream of a model: its blocks, and what follows the last of them, verified numerically."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attnscope.errors import UnsupportedError
from attnscope.model.residual_stream.blocks import Block, ModuleCall, state_of
from attnscope.model.residual_stream.layer_norm import norm_of

After = Literal["nothing", "bias", "cap"]


@dataclass(frozen=True)
class Unembedding:
    """How logits follow from the final state, if by a norm and a linear map: logit = scale · (factor · W norm(x) + bias).

    `path` is the linear module, whose output is the expression in parentheses; `norm` is the final norm, or None. `after` says
    what else happens to each logit: a `bias` of the model, or a `cap`, a function that preserves their order.
    """

    path: str
    norm: str | None
    factor: float
    scale: float
    after: After


@dataclass(frozen=True)
class Stream:
    """The blocks of each tower (`encoder`, `decoder`), and the unembedding of the last, or a note why it is unknown.

    `logits` says whether the state after any layer can be read with the rest of the model (logit lens).
    """

    towers: Mapping[str, tuple[Block, ...]]
    logits: bool
    unembedding: Unembedding | None
    note: str | None

    @property
    def last(self) -> str:
        """The tower whose states become the model's output."""
        return last_tower(self.towers)


def last_tower(towers: Collection[str]) -> str:
    """The tower whose states become a model's output: the decoder, or else that of the text."""
    if "decoder" in towers:
        return "decoder"
    return next((name for name in towers if name != "vision"), next(iter(towers)))


def find_unembedding(
    clone: nn.Module, module_calls: Sequence[ModuleCall], last: Block, logits: Tensor, tolerance: float
) -> Unembedding | str:
    """The final norm and the unembedding, from the modules that ran after the `last` block.

    A string is a sentence about what is missing. `logits` [1, token, vocab] are from the same pass; running both modules again
    has to give them.
    """
    name = type(clone).__name__
    calls = [index for index, one in enumerate(module_calls) if one.path == last.path]
    after = module_calls[calls[last.call] + 1 :]
    state = module_calls[calls[last.call]].output
    assert state is not None
    states = state.float().cpu().flatten(0, -2)
    logits = logits.float().cpu().flatten(0, -2)
    normed: list[tuple[str | None, Tensor]] = []
    for one in after:
        if (
            one.input is None
            or one.output is None
            or one.input.shape != state.shape
            or not torch.equal(one.input, state)
        ):
            continue
        norm, output = norm_of(clone.get_submodule(one.path), state.shape[-1]), one.output.float().cpu().flatten(0, -2)
        if norm is not None and output.shape == states.shape and norm.scale(states, output, tolerance) is not None:
            normed.append((one.path, output))
    for one in after:
        weight = getattr(clone.get_submodule(one.path), "weight", None)
        if not isinstance(weight, Tensor) or weight.is_meta or weight.shape != (logits.shape[-1], state.shape[-1]):
            continue
        if one.output is None:
            continue
        for norm_path, received in (*normed, (None, states)):
            found = _fitted(clone, one, norm_path, received, logits, tolerance)
            if found is not None:
                return found
    return (
        f"Direct logit attribution is unknown for {name}: there is more than a norm and one linear map between "
        "its last block and its logits (a transform before the unembedding, for example)."
    )


def _fitted(
    clone: nn.Module, one: ModuleCall, norm: str | None, received: Tensor, logits: Tensor, tolerance: float
) -> Unembedding | None:
    module = clone.get_submodule(one.path)
    raw = received @ weight_of(module).T
    assert one.output is not None
    own = one.output.float().cpu().flatten(0, -2)
    if own.shape != logits.shape or raw.shape != logits.shape:
        return None  # a module of the same size that reads something else (PaliGemma's projection of an image)
    factor = _multiple(own - bias_of(module), raw, tolerance)
    if factor is None:
        return None
    scale = _multiple(logits, own, tolerance)
    if scale is not None:
        return Unembedding(one.path, norm, factor, scale, "nothing")
    added = logits - own
    if bool(((added - added[:1]).abs() <= tolerance * logits.abs().max()).all()):
        return Unembedding(one.path, norm, factor, 1.0, "bias")
    sorted_ = logits.flatten()[own.flatten().argsort()]
    ordered = bool((sorted_.diff() >= -1e-5 * logits.abs().max()).all())
    return Unembedding(one.path, norm, factor, 1.0, "cap") if ordered else None


def _multiple(these: Tensor, of: Tensor, tolerance: float) -> float | None:
    """The number that turns `of` into `these`; None if there is none."""
    factor = float((of * these).sum() / (of * of).sum())
    if abs(factor - 1) <= tolerance:
        factor = 1.0
    return factor if float((factor * of - these).abs().max()) <= tolerance * float(these.abs().max()) else None


def weight_of(module: nn.Module) -> Tensor:
    """The weight of an unembedding [vocab, model_dim], float32."""
    weight: Any = module.weight
    return weight.detach().float().cpu()


def bias_of(module: nn.Module) -> Tensor:
    """The bias of an unembedding [vocab], float32; 0 if it has none."""
    bias = getattr(module, "bias", None)
    return bias.detach().float().cpu() if isinstance(bias, Tensor) else torch.zeros(())


def with_state(output: Any, state: Tensor) -> Any:
    """The output of a block with another hidden state in it."""
    if isinstance(output, Tensor):
        return state
    return type(output)([state, *output[1:]]) if type(output) in (tuple, list) else _unknown_output(output)


def _unknown_output(output: Any) -> Any:
    raise UnsupportedError(f"A block returns a {type(output).__name__}, which attnscope does not support.")


class Outputs:
    """Record the outputs of blocks in a pass, by path, in the order of their calls; states are copied."""

    def __init__(self, clone: nn.Module, blocks: Sequence[Block]) -> None:
        self.by_path: dict[str, list[Any]] = {}
        self.first: dict[str, Tensor] = {}
        self._handles: list[Any] = []
        for path in dict.fromkeys(block.path for block in blocks):
            recorded = self.by_path.setdefault(path, [])
            hook = clone.get_submodule(path).register_forward_hook(_recording_hook(recorded))
            self._handles.append(hook)

    def of(self, block: Block) -> Any:
        """The output of this block."""
        return self.by_path[block.path][block.call]

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


def _recording_hook(recorded: list[Any]) -> Any:
    def record(_module: nn.Module, _args: Any, output: Any) -> None:
        state = state_of(output)
        recorded.append(output if state is None else with_state(output, state.detach().clone()))

    return record


@contextmanager
def replaced(clone: nn.Module, outputs: Mapping[str, Sequence[Any]]) -> Generator[None]:
    """Inside the `with` statement, blocks of a clone do not run but return the given outputs, call by call.

    From the first output that is None on, they run again.
    """
    before: list[tuple[nn.Module, Any]] = []
    try:
        for path, path_outputs in outputs.items():
            module = clone.get_submodule(path)
            before.append((module, module.__dict__.get("forward")))
            module.forward = _Stub(module.forward, path_outputs)
        yield
    finally:
        for module, own in before:
            if own is None:
                del module.forward
            else:
                module.forward = own


class _Stub:
    def __init__(self, forward: Any, outputs: Sequence[Any]) -> None:
        self._forward = forward
        self._outputs = list(outputs)
        self._calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call, self._calls = self._calls, self._calls + 1
        output = self._outputs[call] if call < len(self._outputs) else None
        return self._forward(*args, **kwargs) if output is None else output
