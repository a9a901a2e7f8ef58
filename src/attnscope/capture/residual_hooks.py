"""Hooks on a prepared clone that edit the residual stream and count the positions already in the cache."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from attnscope.capture.attention_function import ACTIVE
from attnscope.capture.call_sites import Places
from attnscope.capture.pass_options import CACHES
from attnscope.edits.apply import added
from attnscope.edits.plan import Plan
from attnscope.edits.stages import Vector
from attnscope.errors import UnsupportedError

Where = tuple[str, int]
"""A stack and one of its layers."""


@contextmanager
def residual_edits(clone: nn.Module, plan: Plan | None, places: Places | None) -> Generator[None]:
    """Inside the `with` statement, recorded passes through `clone` add the plan's vectors and report their start position.

    `clone` is the module that is called as a whole; generation with a cache calls it once per step.
    """
    if plan is None or places is None:
        yield
        return
    handles = [clone.register_forward_pre_hook(_begin, with_kwargs=True)]
    try:
        if plan.has_vectors:
            found = blocks(clone, places)
            _check_known(clone, plan, {where for layers in found.values() for where in layers})
            for path, layers in found.items():
                vectors = {where: plan.layers[where].vectors for where in layers if where in plan.layers}
                if any(vectors.values()):
                    adding = _Adding(path, layers, vectors)
                    module = clone.get_submodule(path)
                    handles.append(module.register_forward_pre_hook(adding.before, with_kwargs=True))
                    handles.append(module.register_forward_hook(adding.after))
        yield
    finally:
        for handle in handles:
            handle.remove()


def positions_before(inputs: Mapping[str, Any]) -> int:
    """How many positions the cache in the inputs of a pass already holds."""
    cache = next((inputs[name] for name in CACHES if inputs.get(name) is not None), None)
    length = getattr(cache, "get_seq_length", None)
    return int(length()) if length is not None else 0


def blocks(model: nn.Module, places: Places) -> dict[str, list[Where]]:
    """The modules that carry the residual stream, by path, with the stack and layer of each of their calls in a pass.

    A block is the outermost member of a module list that holds the attention of a single layer (each T5 layer contains
    a list of its own). If one module runs for several layers (ALBERT), the block is the innermost such member. Members
    of the same list without attention (hybrid models) are the layers with their own number.
    """
    members: dict[str, set[int]] = {}
    ancestors: dict[str, list[str]] = {}
    for path, found in places.by_path.items():
        names = path.split(".")
        inside = [".".join(names[:end]) for end in range(1, len(names) + 1)]
        lists = [one for one in inside if isinstance(model.get_submodule(one.rpartition(".")[0]), nn.ModuleList)]
        ancestors[path] = lists
        for one in lists:
            members.setdefault(one, set()).update(place.layer for place in found)
    found_blocks: dict[str, list[Where]] = {}
    for path, found in places.by_path.items():
        lists = ancestors[path]
        block = next((one for one in lists if len(members[one]) == 1), lists[-1] if lists else None)
        if block is not None:
            found_blocks.setdefault(block, []).extend((place.stack, place.layer) for place in found)
    return {**_without_attention(model, found_blocks), **found_blocks}


def _without_attention(model: nn.Module, known: Mapping[str, list[Where]]) -> dict[str, list[Where]]:
    """Members of the block lists that have no attention, if the members that do are numbered like the layers."""
    by_list: dict[str, dict[str, list[Where]]] = {}
    for path, layers in known.items():
        parent, _, number = path.rpartition(".")
        by_list.setdefault(parent, {})[number] = layers
    found: dict[str, list[Where]] = {}
    for parent, members in by_list.items():
        stacks = {stack for layers in members.values() for stack, _ in layers}
        numbered = all(str(layer) == number for number, layers in members.items() for _, layer in layers)
        if numbered and len(stacks) == 1:
            (stack,) = stacks
            others = (name for name, _ in model.get_submodule(parent).named_children() if name not in members)
            found |= {f"{parent}.{name}": [(stack, int(name))] for name in others}
    return found


def _check_known(model: nn.Module, plan: Plan, known: set[Where]) -> None:
    """Raise `UnsupportedError` if a vector is meant for a layer whose block is unknown."""
    for (stack, layer), planned in plan.layers.items():
        if planned.vectors and (stack, layer) not in known:
            raise UnsupportedError(
                f"attnscope cannot find the block of layer {layer} of the {stack} in {type(model).__name__}, so "
                "it cannot add a vector to the residual stream there."
            )


def _begin(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Tell the recorder, before each pass, how many positions come before it."""
    recorder = ACTIVE.get()
    if recorder is not None:
        recorder.before = positions_before(kwargs)


class _Adding:
    """Add vectors before and after the calls of one block."""

    def __init__(self, path: str, layers: list[Where], vectors: Mapping[Where, tuple[Vector, ...]]) -> None:
        self._path = path
        self._vectors = vectors
        numbers = list(dict.fromkeys(layer for _, layer in layers))
        self._by_call = [[where for where in layers if where[1] == number] for number in numbers]

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the block's arguments with vectors added to the residual stream."""
        states = args[0] if args else kwargs.get("hidden_states")
        if not isinstance(states, Tensor):
            raise UnsupportedError(
                f"The first argument of {type(module).__name__} is not the residual stream, so attnscope "
                "cannot add a vector to it."
            )
        changed = self._changed(states, "input")
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    def after(self, module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        """Return the block's output with vectors added to the residual stream."""
        if isinstance(output, Tensor):
            return self._changed(output, "output")
        first: Any = output[0] if isinstance(output, tuple) and output else None  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(first, Tensor):
            raise UnsupportedError(
                f"{type(module).__name__} does not return the residual stream, so attnscope cannot add a vector to it."
            )
        return (self._changed(first, "output"), *output[1:])

    def _changed(self, states: Tensor, side: str) -> Tensor:
        recorder = ACTIVE.get()
        if recorder is None:
            return states
        name = f"{self._path} {side}"
        call = recorder.called[name] % len(self._by_call)
        recorder.called[name] += 1
        for stack, layer in self._by_call[call]:
            vectors = self._vectors.get((stack, layer), ())
            states = added(vectors, side, states, recorder.before_in(stack))
        return states
