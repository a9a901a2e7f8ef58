"""Activations of one pass, recorded to patch them into another pass or to start another pass from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from attnscope.model.metrics.answer import logits_at
from attnscope.model.residual_stream.blocks import state_of
from attnscope.model.residual_stream.stream import Outputs, Stream


@dataclass(frozen=True, eq=False)
class ActivationCache:
    """One pass on a batch of one.

    Attributes:
        outputs: The outputs of blocks, by path and call.
        read: What chosen modules read in each of their calls, [token, heads · v_dim].
        written: What chosen modules wrote in each of their calls, [token, model_dim].
        logits: The logits [position, vocab] at the measured positions.
    """

    outputs: Mapping[str, list[Any]]
    read: Mapping[str, list[Tensor]]
    written: Mapping[str, list[Tensor]]
    logits: Tensor


def cache_activations(
    clone: nn.Module,
    stream: Stream,
    inputs: Mapping[str, Tensor],
    positions: Sequence[int],
    *,
    read: Iterable[str] = (),
    written: Iterable[str] = (),
) -> ActivationCache:
    """Run `clone` once on `inputs`, and record every block's output and what the modules at these paths read or write."""
    outputs = Outputs(clone, [block for blocks in stream.towers.values() for block in blocks])
    reads: dict[str, list[Tensor]] = {path: [] for path in read}
    writes: dict[str, list[Tensor]] = {path: [] for path in written}
    handles: list[Any] = [outputs]
    for path, recorded in reads.items():
        handles.append(_Handle(clone.get_submodule(path).register_forward_pre_hook(_record_input(recorded))))
    for path, recorded in writes.items():
        handles.append(_Handle(clone.get_submodule(path).register_forward_hook(_record_output(recorded))))
    try:
        logits = logits_at(clone, inputs, positions)[0]
    finally:
        for handle in handles:
            handle.close()
    return ActivationCache(outputs.by_path, reads, writes, logits)


@dataclass(frozen=True)
class _Handle:
    hook: Any

    def close(self) -> None:
        self.hook.remove()


def _record_input(recorded: list[Tensor]) -> Any:
    def record(_module: nn.Module, args: tuple[Any, ...]) -> None:
        recorded.append(args[0].detach().reshape(-1, args[0].shape[-1]).clone())

    return record


def _record_output(recorded: list[Tensor]) -> Any:
    def record(_module: nn.Module, _args: Any, output: Any) -> None:
        state = state_of(output)
        if state is not None:
            recorded.append(state.detach().reshape(-1, state.shape[-1]).clone())

    return record
