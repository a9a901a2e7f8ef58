"""The blocks that carry the residual stream, and what each adds to it, found by looking at one pass.

A block is the child of a list of layers that holds a layer's attention. What it adds is compared with the outputs of the
modules inside it: attention and MLP are those outputs whose sum (each times one number) is what the block added. No table of
architectures; where nothing fits, a sentence says so.
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

    `norm` is the module that normalizes it on the way from W_O (Gemma 2, OLMo 2). `split` says whether it is linear in the
    heads' outputs but for that norm, so that each head's part is known.
    """

    path: str
    factor: float
    norm: str | None = None
    split: bool = True


@dataclass(frozen=True)
class Block:
    """One block of a tower: the module at `path`, in its `call`-th call of a pass (ALBERT runs one module for all layers).

    `attention` is by stack (`decoder`, `cross` …). `note` says why what the block adds is not known by part.
    """

    path: str
    call: int
    attention: Mapping[str, Addend] = field(default_factory=dict[str, Addend])
    mlp: Addend | None = None
    note: str | None = None


@dataclass(frozen=True)
class Seen:
    """One call of a module in a pass: its first input and its first output, copied."""

    path: str
    given: Tensor | None
    output: Tensor | None
    inside: slice


@dataclass(frozen=True)
class AttentionCall:
    """Where one call of the attention function was made: by which module, for which stack, and the path of its W_O."""

    path: str
    stack: str
    layer: int
    projection: str | None


class Watch:
    """Hooks on every module of a clone that note calls in the order in which they end."""

    def __init__(self, clone: nn.Module) -> None:
        self.seen: list[Seen] = []
        self._begun: list[int] = []
        self._handles: list[Any] = []
        for path, module in clone.named_modules():
            if path:
                self._handles.append(module.register_forward_pre_hook(self._begin))
                self._handles.append(module.register_forward_hook(_Noter(self, path), with_kwargs=True))

    def _begin(self, _module: nn.Module, _args: Any) -> None:
        self._begun.append(len(self.seen))

    def note(self, path: str, given: Tensor | None, output: Tensor | None) -> None:
        """Keep a call that has just ended."""
        self.seen.append(Seen(path, _copied(given), _copied(output), slice(self._begun.pop(), len(self.seen))))

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()


@dataclass(frozen=True)
class _Noter:
    watch: Watch
    path: str

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        self.watch.note(self.path, state_in(args, kwargs), state_of(output))


def _copied(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def state_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The hidden state that a module is given: its first argument, or `hidden_states`."""
    return next((one for one in (*args[:1], kwargs.get("hidden_states")) if isinstance(one, Tensor)), None)


def state_of(output: Any) -> Tensor | None:
    """The hidden state that a module puts out: its output, or the first of several."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def find_blocks(
    clone: nn.Module, seen: Sequence[Seen], calls: Sequence[AttentionCall], tolerance: float
) -> dict[str, tuple[Block, ...]]:
    """The blocks of every tower (`encoder`, `decoder`), in order. A decoder's blocks hold its cross-attention too.

    Raises `UnsupportedError` where layers do not lie in a list, or something happens to the stream between two of them.
    """
    lists: dict[str, list[AttentionCall]] = {}
    for call in calls:
        lists.setdefault(_list_of(clone, call.path), []).append(call)
    found: dict[str, tuple[Block, ...]] = {}
    for container, members in lists.items():
        tower = next((one.stack for one in members if one.stack != "cross"), "cross")
        if tower in found:
            raise UnsupportedError(f"The {tower} of {type(clone).__name__} has its layers in several lists.")
        found[tower] = tuple(_blocks(clone, container, seen, members, tolerance))
    return found


def _list_of(clone: nn.Module, path: str) -> str:
    """The path of the outermost list of layers that a module lies in."""
    parts = path.split(".")
    for end in range(1, len(parts)):
        if isinstance(clone.get_submodule(".".join(parts[:end])), nn.ModuleList):
            return ".".join(parts[:end])
    raise UnsupportedError(f"The layers of {type(clone).__name__} lie in no list, so its residual stream is not known.")


def _blocks(
    clone: nn.Module, container: str, seen: Sequence[Seen], calls: Sequence[AttentionCall], tolerance: float
) -> Iterator[Block]:
    depth = container.count(".") + 1
    passes = [one for one in seen if one.path.startswith(f"{container}.") and one.path.count(".") == depth]
    if not all(_chained(one, following) for one, following in pairwise(passes)):
        raise UnsupportedError(
            f"Between the layers of {type(clone).__name__} more happens to the residual stream than the layers themselves do."
        )
    waiting = list(calls)
    counts: dict[str, int] = {}
    for number, one in enumerate(passes):
        inner = list(seen[one.inside])
        own = [waiting.pop(0) for event in inner if waiting and event.path == waiting[0].path]
        if any(call.layer != number for call in own):
            raise UnsupportedError(f"The layers of {type(clone).__name__} are not numbered as they follow each other.")
        yield _block(clone, one, counts.get(one.path, 0), inner, own, tolerance)
        counts[one.path] = counts.get(one.path, 0) + 1


def _chained(one: Seen, following: Seen) -> bool:
    first, second = one.output, following.given
    return first is not None and second is not None and first.shape == second.shape and torch.equal(first, second)


def _block(
    clone: nn.Module, one: Seen, call: int, inner: Sequence[Seen], own: Sequence[AttentionCall], tolerance: float
) -> Block:
    assert one.given is not None and one.output is not None
    chains = [_chain(inner, each, one.output) for each in own]
    inside = {event.path for each in own for event in inner if event.path.startswith(f"{each.path}.")}
    mlps = [
        event
        for event in inner
        if event.output is not None and _alike(event.output, one.output) and event.path not in inside
    ]
    mlps.sort(key=lambda event: event.path.count("."))
    added = (one.output.double() - one.given.double()).flatten(0, -2)
    scale = torch.maximum(one.output.double().abs(), one.given.double().abs()).flatten(0, -2).amax(-1)
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
        note="What attention and MLP add to the residual stream of this block is not known by part: no sum of them is what the "
        "block adds (it normalizes the stream itself, say).",
    )


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether both hold one vector for each token (some models fold batch and tokens into one dimension)."""
    return one.shape[-1:] == other.shape[-1:] and one.numel() == other.numel()


def _chain(inner: Sequence[Seen], call: AttentionCall, stream: Tensor) -> list[Seen]:
    """From W_O (or the attention module) on: the calls each of which reads the output of the one before."""
    start = call.projection or call.path
    found: list[Seen] = []
    for event in inner:
        if event.output is None or not _alike(event.output, stream):
            continue
        if not found:
            found += [event] if event.path == start else []
        elif (
            event.given is not None
            and event.given.shape == _last(found).shape
            and torch.equal(event.given, _last(found))
        ):
            found.append(event)
    return found


def _last(chain: Sequence[Seen]) -> Tensor:
    output = chain[-1].output
    assert output is not None
    return output


def _factors(added: Tensor, parts: Sequence[Seen], allowed: Tensor) -> list[float] | None:
    """One number for each part so that their sum is what was added: 1 where that will do."""
    given = [part.output.double().reshape(added.shape) for part in parts if part.output is not None]
    if not given:
        return None
    if bool(((added - sum(given)).abs().amax(-1) <= allowed).all()):
        return [1.0] * len(given)
    columns = torch.stack([part.flatten() for part in given], dim=1)
    solved = torch.linalg.lstsq(columns, added.reshape(-1, 1)).solution.flatten()
    left = added - (columns @ solved).view_as(added)
    return solved.tolist() if bool((left.abs().amax(-1) <= allowed).all()) else None


def _addend(clone: nn.Module, chain: Sequence[Seen], factor: float, tolerance: float, *, whole: bool) -> Addend:
    """The end of a chain that starts at W_O, and the one norm on the way, if there is one."""
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
    given, output = changing[0].given, changing[0].output
    known = (
        len(changing) == 1
        and frozen is not None
        and given is not None
        and output is not None
        and frozen.scale(given.float().cpu().flatten(0, -2), output.float().cpu().flatten(0, -2), tolerance) is not None
    )
    return Addend(chain[-1].path, factor, norm=path if known else None, split=known)
