"""Value zeroing (Mohebbi et al. 2023): how much a block's output at a token changes if the value of another token is zero.

Only the block itself runs again, on the input that it has in the prompt's own pass, with one zeroed key in each row of a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.capture import Place, Recorder, Tap, capturing, pass_options, prepared_for_capture
from attnscope.capture.residual_hooks import blocks
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.effects.passes import TOKENS_AT_ONCE
from attnscope.model.effects.prompt import Prompt
from attnscope.model.hf.hidden_states import relative
from attnscope.model.residual_stream.blocks import state_of
from attnscope.types import Observer
from attnscope.validation import is_whole


@dataclass(frozen=True, eq=False)
class _BlockCall:
    """A call of one block in the prompt's pass: its arguments and output, and how often modules had computed attention before."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor
    called: Counter[str]


class _Zeroing(Tap):
    """Zeroes the value of key `first + r − 1` in row r of a batch; row 0 stays. With `head`, other heads keep their output."""

    def __init__(self, place: Place, first: int, rows: int, head: int | None) -> None:
        self._place, self._head = place, head
        self._rows, self._keys = torch.arange(1, rows), torch.arange(first, first + rows - 1)

    def value(self, place: Place, value: Tensor) -> Tensor:
        """The values with a zero in each row."""
        if place != self._place:
            return value
        value = value.clone()
        value[self._rows, :, self._keys] = 0
        return value

    def output(self, place: Place, output: Tensor, value: Tensor) -> Tensor:  # noqa: ARG002 - the interface
        """The outputs; those of other heads than the chosen one are those of row 0."""
        if place != self._place or self._head is None:
            return output
        kept = output[:1].expand_as(output).clone()
        kept[:, :, self._head] = output[:, :, self._head]
        return kept


def value_zeroing_of(
    prompt: Prompt,
    layers: Any = None,
    *,
    stack: str | None = None,
    head: int | None = None,
    observer: Observer | None = None,
) -> Float[Tensor, "layer query key"]:
    """Implement `Model.value_zeroing`. Raises `InputError`, `UnsupportedError` or `CancelledError`."""
    prompt.check_editable()
    name = prompt.chosen_stack(stack)
    chosen = _layers(prompt, name, layers, head)
    queries, keys = (len(tokens) for tokens in prompt.tokens_of(name))
    found = torch.full((len(chosen), queries, keys), torch.nan, dtype=torch.float64)
    with prepared_for_capture(prompt.probed.module) as clone:
        paths = {layer: _block(clone, prompt, Place(name, layer)) for layer in chosen}
        calls = _recorded(clone, prompt, {path for path, _ in paths.values()}, observer)
        for row, layer in enumerate(chosen):
            path, number = paths[layer]
            rerun = _Rerun(
                clone.get_submodule(path), clone, prompt, calls[path][number], Place(name, layer), head, observer
            )
            found[row] = rerun.distances(queries, keys)
            if observer is not None:
                observer.layer(row + 1, len(chosen))
    return found


def _layers(prompt: Prompt, stack: str, layers: Any, head: int | None) -> list[int]:
    sizes = prompt.stacks[stack]
    found = list(range(sizes.layers)) if layers is None else [layers]
    if not all(is_whole(one) and 0 <= one < sizes.layers for one in found):
        raise InputError(f"`layer` must be a layer from 0 to {sizes.layers - 1}, or None; got {layers!r:.80}.")
    with_attention = [int(one) for one in found if sizes.layer(int(one)) is not None]
    if not with_attention:
        raise InputError(f"Layer {layers} has no attention, so there is no value to zero.")
    fewest = min(shape.heads for one in with_attention if (shape := sizes.layer(one)) is not None)
    if head is not None and (not is_whole(head) or not 0 <= head < fewest):
        raise InputError(f"`head` must be a head from 0 to {fewest - 1}, or None; got {head!r:.80}.")
    return with_attention


def _block(clone: nn.Module, prompt: Prompt, place: Place) -> tuple[str, int]:
    """The path of the block of a layer, and which of its calls in a pass belongs to the layer."""
    for path, where in blocks(clone, prompt.probed.architecture.places).items():
        if (place.stack, place.layer) in where:
            return path, list(dict.fromkeys(layer for _, layer in where)).index(place.layer)
    raise UnsupportedError(f"attnscope cannot find the block of layer {place.layer} of the {place.stack}.")


def _recorded(
    clone: nn.Module, prompt: Prompt, paths: set[str], observer: Observer | None
) -> dict[str, list[_BlockCall]]:
    """One pass of the prompt, with every call of the modules at `paths`."""
    recorder = Recorder(keeps=False, observer=observer, places=prompt.probed.architecture.places)
    found: dict[str, list[_BlockCall]] = {path: [] for path in paths}
    started: list[Counter[str]] = []

    def begin(_module: nn.Module, _args: Any, _kwargs: Any) -> None:
        started.append(Counter(recorder.called))

    def end_at(path: str) -> Any:
        def end(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            state = state_of(output)
            if state is None:
                raise UnsupportedError(f"{type(module).__name__} does not return the residual stream.")
            found[path].append(_BlockCall(args, kwargs, state.clone(), started.pop()))

        return end

    handles = [
        handle
        for path in paths
        for handle in (
            clone.get_submodule(path).register_forward_pre_hook(begin, with_kwargs=True),
            clone.get_submodule(path).register_forward_hook(end_at(path), with_kwargs=True),
        )
    ]
    try:
        with capturing(clone, recorder):
            clone(**prompt.inputs, **pass_options(clone))
    finally:
        for handle in handles:
            handle.remove()
    return found


@dataclass(frozen=True, eq=False)
class _Rerun:
    block: nn.Module
    clone: nn.Module
    prompt: Prompt
    call: _BlockCall
    place: Place
    head: int | None
    observer: Observer | None

    def distances(self, queries: int, keys: int) -> Float[Tensor, "query key"]:
        """1 − the cosine of the block's output at each query with and without the value of each key."""
        at_once = max(1, TOKENS_AT_ONCE // max(queries, keys) - 1)
        found: list[Tensor] = []
        for first in range(0, keys, at_once):
            rows = min(at_once, keys - first) + 1
            output = self._run(first, rows)
            if output.shape[1] != queries:
                raise UnsupportedError(
                    f"{type(self.block).__name__} returns {output.shape[1]} states for {queries} tokens."
                )
            if not relative(self.call.output[0], output[0]) <= self.prompt.probed.tolerance:
                raise UnsupportedError(
                    f"{type(self.block).__name__} computes other states when it runs alone or in a batch, so attnscope cannot "
                    "zero values in it."
                )
            exact = output.double()
            same = (exact[1:] == exact[:1]).all(-1)  # a masked key
            found.append(
                (1 - torch.cosine_similarity(exact[1:], exact[:1], dim=-1)).clamp(min=0).masked_fill(same, 0.0)
            )
        return torch.cat(found).T.cpu()

    def _run(self, first: int, rows: int) -> Tensor:
        recorder = Recorder(
            keeps=False,
            observer=self.observer,
            places=self.prompt.probed.architecture.places,
            tap=_Zeroing(self.place, first, rows, self.head),
        )
        recorder.called.update(self.call.called)
        with capturing(self.clone, recorder):
            output = state_of(self.block(*_batched(self.call.args, rows), **_batched(self.call.kwargs, rows)))
        assert output is not None
        return output


def _batched(value: Any, rows: int) -> Any:
    """Arguments of a batch of one for a batch of `rows` rows."""
    if isinstance(value, Tensor):
        return value.expand(rows, *value.shape[1:]).contiguous() if value.ndim > 1 and value.shape[0] == 1 else value
    if isinstance(value, Mapping):
        return {name: _batched(one, rows) for name, one in value.items()}
    return type(value)(_batched(one, rows) for one in value) if type(value) in (tuple, list) else value
