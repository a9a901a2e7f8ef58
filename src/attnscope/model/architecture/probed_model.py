"""A model together with what the probe found out about it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.module_info import tolerance_for


@dataclass(frozen=True)
class ProbedModel:
    """A module that is run, its architecture for inputs of this kind, and its display name."""

    module: nn.Module
    architecture: Architecture
    title: str

    @property
    def tolerance(self) -> float:
        """The largest relative error that rounding alone explains."""
        return tolerance_for(self.module)
