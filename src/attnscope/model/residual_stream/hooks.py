"""Record vectors at chosen positions of a pass, where chosen modules read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.model.residual_stream.blocks import state_in, state_of


@dataclass(frozen=True)
class TokenVectors:
    """What one call of a module read and wrote: [position, model_dim], float32; of a single position [model_dim].

    None if it was not a tensor, or had another number of rows.
    """

    input: Tensor | None
    output: Tensor | None


@dataclass
class PositionRecorder:
    """Record some rows of what modules read and write, by path, in the order of their calls."""

    positions: tuple[int, ...]
    tokens: int
    calls: dict[str, list[TokenVectors]] = field(default_factory=dict[str, list[TokenVectors]])
    _handles: list[Any] = field(default_factory=list[Any])

    def on(self, clone: nn.Module, paths: Iterable[str]) -> PositionRecorder:
        """Start recording the modules at `paths`."""
        for path in dict.fromkeys(paths):
            recorded = self.calls.setdefault(path, [])
            hook = self._hook(recorded)
            self._handles.append(clone.get_submodule(path).register_forward_hook(hook, with_kwargs=True))
        return self

    def of(self, path: str, call: int, index: int) -> TokenVectors:
        """What the `call`-th call of the module at `path` read and wrote at the `index`-th position."""
        found = self.calls[path][call]
        return TokenVectors(*(None if one is None else one[index] for one in (found.input, found.output)))

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, recorded: list[TokenVectors]) -> Any:
        def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            recorded.append(TokenVectors(self._rows(state_in(args, kwargs)), self._rows(state_of(output))))

        return record

    def _rows(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.ndim < 2:
            return None
        rows = tensor.reshape(-1, tensor.shape[-1])
        if len(rows) == self.tokens:
            rows = rows[list(self.positions)]
        elif len(rows) != len(self.positions):
            return None
        return rows.detach().to("cpu", torch.float32, copy=True)
