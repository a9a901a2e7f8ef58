"""A model together with what the probe found out about it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.module_info import tolerance_for


@dataclass(frozen=True)
class ProbedModel:
    """What is run: a module, what its attention looks like for inputs of this kind, and its name for a person."""

    module: nn.Module
    architecture: Architecture
    title: str

    @property
    def tolerance(self) -> float:
        """Largest error that rounding alone explains."""
        return tolerance_for(self.module)
