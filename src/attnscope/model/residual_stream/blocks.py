"""Find the blocks that carry the residual stream, and what each of them adds to it, from one pass.

A block is the member of a list of layers that contains a layer's attention. Its contribution to the stream is compared with the
outputs of the modules inside it: attention and MLP are those outputs whose sum (each times one number) is what the block adds.
There is no table of architectures; if nothing fits, a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.errors import UnsupportedError
from attnscope.model.residual_stream.layer_norm import norm_of


@dataclass(frozen=True)
class Addend:
    """What a part of a block adds to the residual stream: `factor` times the first output of the module at `path`.

    `norm` is the module that normalizes it after W_O (Gemma 2, OLMo 2). `split` says whether, apart from that norm, it is
    linear in the head outputs, so that the contribution of each head is known.
    """

    path: str
    factor: float
    norm: str | None = None
    split: bool = True


@dataclass(frozen=True)
class Block:
    """One block of a tower: the module at `path`, in its `call`-th call of a pass (ALBERT runs one module for all layers).

    `attention` maps stacks (`decoder`, `cross`, …) to what their attention adds. `note` says why the parts of the block are
    unknown, if so.
    """

    path: str
    call: int
    attention: Mapping[str, Addend] = field(default_factory=dict[str, Addend])
    mlp: Addend | None = None
    note: str | None = None


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module in a pass: copies of its first input and first output, and the calls made inside it."""

    path: str
    input: Tensor | None
    output: Tensor | None
    inside: slice


@dataclass(frozen=True)
class AttentionCall:
    """Where one call of the attention function was made: the module, the stack and layer, and the path of its W_O."""

    path: str
    stack: str
    layer: int
    projection: str | None


class ModuleWatch:
    """Hooks on every module of a clone that record calls in the order in which they end."""

    def __init__(self, clone: nn.Module) -> None:
        self.calls: list[ModuleCall] = []
        self._starts: list[int] = []
        self._handles: list[Any] = []
        for path, module in clone.named_modules():
            if path:
                self._handles.append(module.register_forward_pre_hook(self._begin))
                self._handles.append(module.register_forward_hook(_CallHook(self, path), with_kwargs=True))

    def _begin(self, _module: nn.Module, _args: Any) -> None:
        self._starts.append(len(self.calls))

    def record(self, path: str, state: Tensor | None, output: Tensor | None) -> None:
        """Record a call that has just ended."""
        self.calls.append(ModuleCall(path, _copied(state), _copied(output), slice(self._starts.pop(), len(self.calls))))

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


@dataclass(frozen=True)
class _CallHook:
    watch: ModuleWatch
    path: str

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        self.watch.record(self.path, state_in(args, kwargs), state_of(output))


def _copied(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def state_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The hidden state that a module receives: its first argument, or `hidden_states`."""
    return next((one for one in (*args[:1], kwargs.get("hidden_states")) if isinstance(one, Tensor)), None)


def state_of(output: Any) -> Tensor | None:
    """The hidden state that a module returns: its output, or the first of several outputs."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def find_blocks(
    clone: nn.Module, module_calls: Sequence[ModuleCall], calls: Sequence[AttentionCall], tolerance: float
) -> dict[str, tuple[Block, ...]]:
    """The blocks of every tower (`encoder`, `decoder`), in order. The blocks of a decoder include its cross-attention.

    Raises `UnsupportedError` if the layers are not in a list, or if something changes the stream between two of them.
    """
    lists: dict[str, list[AttentionCall]] = {}
    for call in calls:
        lists.setdefault(_layer_list(clone, call.path), []).append(call)
    found: dict[str, tuple[Block, ...]] = {}
    for container, members in lists.items():
        tower = next((one.stack for one in members if one.stack != "cross"), "cross")
        if tower in found:
            raise UnsupportedError(
                f"The layers of the {tower} of {type(clone).__name__} are in several lists, so its residual "
                "stream is unknown."
            )
        found[tower] = tuple(_blocks(clone, container, module_calls, members, tolerance))
    return found


def _layer_list(clone: nn.Module, path: str) -> str:
    """The path of the outermost list of layers that contains a module."""
    parts = path.split(".")
    for end in range(1, len(parts)):
        if isinstance(clone.get_submodule(".".join(parts[:end])), nn.ModuleList):
            return ".".join(parts[:end])
    raise UnsupportedError(
        f"The layers of {type(clone).__name__} are not in a list, so its residual stream is unknown."
    )


def _blocks(
    clone: nn.Module,
    container: str,
    module_calls: Sequence[ModuleCall],
    calls: Sequence[AttentionCall],
    tolerance: float,
) -> Iterator[Block]:
    depth = container.count(".") + 1
    passes = [one for one in module_calls if one.path.startswith(f"{container}.") and one.path.count(".") == depth]
    if not all(_chained(one, following) for one, following in pairwise(passes)):
        raise UnsupportedError(
            f"Something changes the residual stream of {type(clone).__name__} between its layers, so its "
            "blocks are unknown."
        )
    waiting = list(calls)
    counts: dict[str, int] = {}
    for number, one in enumerate(passes):
        inner = list(module_calls[one.inside])
        own = [waiting.pop(0) for event in inner if waiting and event.path == waiting[0].path]
        if any(call.layer != number for call in own):
            raise UnsupportedError(
                f"The layers of {type(clone).__name__} are not numbered in the order in which they run, so its "
                "blocks are unknown."
            )
        yield _block(clone, one, counts.get(one.path, 0), inner, own, tolerance)
        counts[one.path] = counts.get(one.path, 0) + 1


def _chained(one: ModuleCall, following: ModuleCall) -> bool:
    first, second = one.output, following.input
    return first is not None and second is not None and first.shape == second.shape and torch.equal(first, second)


def _block(
    clone: nn.Module,
    one: ModuleCall,
    call: int,
    inner: Sequence[ModuleCall],
    own: Sequence[AttentionCall],
    tolerance: float,
) -> Block:
    assert one.input is not None and one.output is not None
    chains = [_chain(inner, each, one.output) for each in own]
    inside = {event.path for each in own for event in inner if event.path.startswith(f"{each.path}.")}
    mlps = [
        event
        for event in inner
        if event.output is not None and _same_vectors(event.output, one.output) and event.path not in inside
    ]
    mlps.sort(key=lambda event: event.path.count("."))
    added = (one.output.double() - one.input.double()).flatten(0, -2)
    scale = torch.maximum(one.output.double().abs(), one.input.double().abs()).flatten(0, -2).amax(-1)
    for mlp in (*mlps, None):
        if all(chains):
            for chosen in product(*(range(len(chain)) for chain in chains)):
                parts = [chain[index] for chain, index in zip(chains, chosen, strict=True)]
                factors = _factors(added, [*parts, *([mlp] if mlp else [])], scale * tolerance)
                if factors is None:
                    continue
                attention = {
                    each.stack: _addend(clone, chain[: index + 1], factor, tolerance, whole=each.projection is None)
                    for each, chain, index, factor in zip(own, chains, chosen, factors, strict=False)
                }
                return Block(one.path, call, attention, None if mlp is None else Addend(mlp.path, factors[-1]))
    return Block(
        one.path,
        call,
        note="The parts of this block are unknown: no sum of attention and MLP outputs equals what the block adds to "
        "the residual stream (it may normalize the stream itself).",
    )


def _same_vectors(one: Tensor, other: Tensor) -> bool:
    """Whether both hold one vector per token (some models merge batch and tokens into one dimension)."""
    return one.shape[-1:] == other.shape[-1:] and one.numel() == other.numel()


def _chain(inner: Sequence[ModuleCall], call: AttentionCall, stream: Tensor) -> list[ModuleCall]:
    """The calls after W_O (or the attention module) that each read the output of the one before."""
    start = call.projection or call.path
    found: list[ModuleCall] = []
    for event in inner:
        if event.output is None or not _same_vectors(event.output, stream):
            continue
        if not found:
            found += [event] if event.path == start else []
        elif (
            event.input is not None
            and event.input.shape == _last(found).shape
            and torch.equal(event.input, _last(found))
        ):
            found.append(event)
    return found


def _last(chain: Sequence[ModuleCall]) -> Tensor:
    output = chain[-1].output
    assert output is not None
    return output


def _factors(added: Tensor, parts: Sequence[ModuleCall], allowed: Tensor) -> list[float] | None:
    """One factor per part so that their sum is what was added; 1 for all of them if that fits. None if nothing fits."""
    outputs = [part.output.double().reshape(added.shape) for part in parts if part.output is not None]
    if not outputs:
        return None
    if bool(((added - sum(outputs)).abs().amax(-1) <= allowed).all()):
        return [1.0] * len(outputs)
    columns = torch.stack([part.flatten() for part in outputs], dim=1)
    solved = torch.linalg.lstsq(columns, added.reshape(-1, 1)).solution.flatten()
    rest = added - (columns @ solved).view_as(added)
    return solved.tolist() if bool((rest.abs().amax(-1) <= allowed).all()) else None


def _addend(clone: nn.Module, chain: Sequence[ModuleCall], factor: float, tolerance: float, *, whole: bool) -> Addend:
    """The end of a chain that starts at W_O, and the only norm in it, if there is one."""
    if whole:
        return Addend(chain[-1].path, factor, split=False)
    changing = [
        event
        for before, event in pairwise(chain)
        if event.output is not None and not torch.equal(_last([before]), event.output)
    ]
    if not changing:
        return Addend(chain[-1].path, factor)
    path = changing[0].path
    frozen = (
        norm_of(clone.get_submodule(path), changing[0].output.shape[-1]) if changing[0].output is not None else None
    )
    received, output = changing[0].input, changing[0].output
    known = (
        len(changing) == 1
        and frozen is not None
        and received is not None
        and output is not None
        and frozen.scale(received.float().cpu().flatten(0, -2), output.float().cpu().flatten(0, -2), tolerance)
        is not None
    )
    return Addend(chain[-1].path, factor, norm=path if known else None, split=known)
