"""What a pass computes on its way, kept so that another pass can be given it: the source and the start of every patch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture import pass_options
from attnscope.model.residual_stream.blocks import state_of
from attnscope.model.residual_stream.stream import Outputs, Stream


@dataclass(frozen=True, eq=False)
class ActivationCache:
    """One pass of a batch of one.

    `outputs` are what blocks put out, by path and call; `read` [token, heads · v_dim] and `written` [token, model_dim] what
    chosen modules read and wrote in each of their calls. `logits` [vocab] are those of one position.
    """

    outputs: Mapping[str, list[Any]]
    read: Mapping[str, list[Tensor]]
    written: Mapping[str, list[Tensor]]
    logits: Tensor


def cache_activations(
    clone: nn.Module,
    stream: Stream,
    inputs: Mapping[str, Tensor],
    position: int,
    *,
    read: Iterable[str] = (),
    written: Iterable[str] = (),
) -> ActivationCache:
    """Run `clone` once over `inputs`, keeping what every block puts out and what the modules at these paths read or write."""
    outputs = Outputs(clone, [block for blocks in stream.towers.values() for block in blocks])
    reads: dict[str, list[Tensor]] = {path: [] for path in read}
    writes: dict[str, list[Tensor]] = {path: [] for path in written}
    handles: list[Any] = [outputs]
    for path, kept in reads.items():
        handles.append(_Handle(clone.get_submodule(path).register_forward_pre_hook(_keep_read(kept))))
    for path, kept in writes.items():
        handles.append(_Handle(clone.get_submodule(path).register_forward_hook(_keep_written(kept))))
    try:
        logits = logits_at(clone, inputs, position)[0]
    finally:
        for handle in handles:
            handle.close()
    return ActivationCache(outputs.by_path, reads, writes, logits)


def logits_at(clone: nn.Module, inputs: Mapping[str, Any], position: int) -> Tensor:
    """Logits [row, vocab] of one position, float32 on the CPU; the others are not computed where the model can leave them out."""
    device = next(iter(inputs.values())).device
    asked = {"logits_to_keep": torch.tensor([position], device=device)}
    options = pass_options(clone, **asked)
    with torch.no_grad():
        logits: Tensor = clone(**inputs, **options).logits
    row = logits[:, 0 if "logits_to_keep" in options else position]
    return row.float().cpu()


@dataclass(frozen=True)
class _Handle:
    hook: Any

    def close(self) -> None:
        self.hook.remove()


def _keep_read(kept: list[Tensor]) -> Any:
    def keep(_module: nn.Module, args: tuple[Any, ...]) -> None:
        kept.append(args[0].detach().reshape(-1, args[0].shape[-1]).clone())

    return keep


def _keep_written(kept: list[Tensor]) -> Any:
    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        state = state_of(output)
        if state is not None:
            kept.append(state.detach().reshape(-1, state.shape[-1]).clone())

    return keep
