"""A model together with what the probe found out about it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.module_info import first_dtype
from attnscope.trace.certificate import TOLERANCE


@dataclass(frozen=True)
class ProbedModel:
    """What is run: a module, what its attention looks like for inputs of this kind, and its name for a person."""

    module: nn.Module
    architecture: Architecture
    title: str

    @property
    def tolerance(self) -> float:
        """Largest error that rounding alone explains."""
        return TOLERANCE.get(first_dtype(self.module), 1e-4)
