"""Record vectors at one position of a pass, where chosen modules read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.model.residual_stream.blocks import state_in, state_of


@dataclass(frozen=True)
class TokenVectors:
    """What one call of a module read and wrote at the position: [model_dim], float32.

    None if it was not a tensor, or had another number of rows.
    """

    input: Tensor | None
    output: Tensor | None


@dataclass
class PositionRecorder:
    """Record one row of what modules read and write, by path, in the order of their calls."""

    position: int
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

    def of(self, path: str, call: int = 0) -> TokenVectors:
        """What the `call`-th call of the module at `path` read and wrote."""
        return self.calls[path][call]

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, recorded: list[TokenVectors]) -> Any:
        def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            recorded.append(TokenVectors(self._row(state_in(args, kwargs)), self._row(state_of(output))))

        return record

    def _row(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.ndim < 2:
            return None
        rows = tensor.reshape(-1, tensor.shape[-1])
        if len(rows) not in (1, self.tokens):
            return None
        return rows[self.position if len(rows) == self.tokens else 0].detach().to("cpu", torch.float32, copy=True)
