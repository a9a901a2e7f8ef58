"""Vectors at one position of a pass, taken where chosen modules read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.model.residual_stream.blocks import state_in, state_of


@dataclass(frozen=True)
class Tapped:
    """What one call of a module read and wrote at the position: [model_dim], float32 (None: no tensor, or other rows)."""

    given: Tensor | None
    output: Tensor | None


@dataclass
class Taps:
    """Keeps one row of what modules read and write, by path, in the order of their calls."""

    position: int
    tokens: int
    calls: dict[str, list[Tapped]] = field(default_factory=dict[str, list[Tapped]])
    _handles: list[Any] = field(default_factory=list[Any])

    def on(self, clone: nn.Module, paths: Iterable[str]) -> Taps:
        """Listen to the modules at `paths`."""
        for path in dict.fromkeys(paths):
            kept = self.calls.setdefault(path, [])
            hook = self._hook(kept)
            self._handles.append(clone.get_submodule(path).register_forward_hook(hook, with_kwargs=True))
        return self

    def of(self, path: str, call: int = 0) -> Tapped:
        """What the `call`-th call of the module at `path` read and wrote."""
        return self.calls[path][call]

    def close(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, kept: list[Tapped]) -> Any:
        def keep(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            kept.append(Tapped(self._row(state_in(args, kwargs)), self._row(state_of(output))))

        return keep

    def _row(self, tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.ndim < 2:
            return None
        rows = tensor.reshape(-1, tensor.shape[-1])
        if len(rows) not in (1, self.tokens):
            return None
        return rows[self.position if len(rows) == self.tokens else 0].detach().to("cpu", torch.float32, copy=True)
