"""The residual stream of a model: its blocks, and what follows the last of them, verified by numbers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attnscope.errors import UnsupportedError
from attnscope.model.residual_stream.blocks import Block, Seen, state_of
from attnscope.model.residual_stream.layer_norm import norm_of

After = Literal["nothing", "bias", "cap"]


@dataclass(frozen=True)
class Unembedding:
    """How logits come from the last state, where it is a norm and a linear map: logit = scale · (factor · W norm(x) + bias).

    `path` is the linear module, whose own output is what stands in brackets; `norm` the final norm (None: there is none).
    `after` says what else happens to each logit: a `bias` of the model's own, or a `cap`, a function that keeps their order.
    """

    path: str
    norm: str | None
    factor: float
    scale: float
    after: After


@dataclass(frozen=True)
class Stream:
    """The blocks of each tower (`encoder`, `decoder`), and the unembedding of the last, or why it is not known.

    `logits` says whether a state after any layer can be read through the model's own end (logit lens).
    """

    towers: Mapping[str, tuple[Block, ...]]
    logits: bool
    unembedding: Unembedding | None
    note: str | None

    @property
    def last(self) -> str:
        """The tower whose states become the model's output."""
        return "decoder" if "decoder" in self.towers else next(iter(self.towers))


def find_unembedding(
    clone: nn.Module, seen: Sequence[Seen], last: Block, logits: Tensor, tolerance: float
) -> Unembedding | str:
    """The final norm and the unembedding, by what ran after the `last` block; else a sentence that says what is missing.

    `logits` [1, token, vocab] are what the same pass put out: replaying both modules has to give them.
    """
    name = type(clone).__name__
    calls = [index for index, one in enumerate(seen) if one.path == last.path]
    after = seen[calls[last.call] + 1 :]
    state = seen[calls[last.call]].output
    assert state is not None
    states = state.float().cpu().flatten(0, -2)
    logits = logits.float().cpu().flatten(0, -2)
    normed: list[tuple[str | None, Tensor]] = []
    for one in after:
        if (
            one.given is None
            or one.output is None
            or one.given.shape != state.shape
            or not torch.equal(one.given, state)
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
        for norm_path, given in (*normed, (None, states)):
            found = _fitted(clone, one, norm_path, given, logits, tolerance)
            if found is not None:
                return found
    return (
        f"What each part adds to a logit is not known for {name}: between its last block and its logits there is not just "
        "a norm and one linear map, but something else (a transform before the unembedding, say)."
    )


def _fitted(
    clone: nn.Module, one: Seen, norm: str | None, given: Tensor, logits: Tensor, tolerance: float
) -> Unembedding | None:
    module = clone.get_submodule(one.path)
    raw = given @ weight_of(module).T
    assert one.output is not None
    own = one.output.float().cpu().flatten(0, -2)
    factor = _multiple(own - bias_of(module), raw, tolerance)
    if factor is None or own.shape != logits.shape:
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
    """The one number that makes `of` into `these`; None where there is none."""
    factor = float((of * these).sum() / (of * of).sum())
    if abs(factor - 1) <= tolerance:
        factor = 1.0
    return factor if float((factor * of - these).abs().max()) <= tolerance * float(these.abs().max()) else None


def weight_of(module: nn.Module) -> Tensor:
    """The weight of an unembedding [vocab, model_dim], float32."""
    weight: Any = module.weight
    return weight.detach().float().cpu()


def bias_of(module: nn.Module) -> Tensor:
    """The bias of an unembedding [vocab], float32; 0 without one."""
    bias = getattr(module, "bias", None)
    return bias.detach().float().cpu() if isinstance(bias, Tensor) else torch.zeros(())


def with_state(output: Any, state: Tensor) -> Any:
    """What a block put out, with another hidden state in it."""
    if isinstance(output, Tensor):
        return state
    return type(output)([state, *output[1:]]) if type(output) in (tuple, list) else _refuse_output(output)


def _refuse_output(output: Any) -> Any:
    raise UnsupportedError(f"A block puts out a {type(output).__name__}, which is not understood.")


class Outputs:
    """Keeps what blocks put out in a pass, by path, in the order of their calls; states are copied."""

    def __init__(self, clone: nn.Module, blocks: Sequence[Block]) -> None:
        self.by_path: dict[str, list[Any]] = {}
        self.first: dict[str, Tensor] = {}
        self._handles: list[Any] = []
        for path in dict.fromkeys(block.path for block in blocks):
            kept = self.by_path.setdefault(path, [])
            hook = clone.get_submodule(path).register_forward_hook(_keeper(kept))
            self._handles.append(hook)

    def of(self, block: Block) -> Any:
        """What this block put out."""
        return self.by_path[block.path][block.call]

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


def _keeper(kept: list[Any]) -> Any:
    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        state = state_of(output)
        kept.append(output if state is None else with_state(output, state.detach().clone()))

    return keep


@contextmanager
def replaced(clone: nn.Module, outputs: Mapping[str, Sequence[Any]]) -> Generator[None]:
    """Blocks of a clone that do not run but put out what is given, call by call; from the first None on they run again."""
    before: list[tuple[nn.Module, Any]] = []
    try:
        for path, given in outputs.items():
            module = clone.get_submodule(path)
            before.append((module, module.__dict__.get("forward")))
            module.forward = _Stub(module.forward, given)
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
        given = self._outputs[call] if call < len(self._outputs) else None
        return self._forward(*args, **kwargs) if given is None else given
