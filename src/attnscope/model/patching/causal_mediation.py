"""Causal mediation analysis (Vig et al. 2020): how much of the effect of a changed prompt goes through one head.

y = p(answer) / p(foil). For a clean prompt and a corrupted one, in which a word was swapped:

    total effect      TE = y(corrupted) / y(clean) − 1
    indirect effect   y(clean, with this head's attention from corrupted) / y(clean) − 1
    direct effect     y(corrupted, with this head's attention from clean) / y(clean) − 1
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.deprecation import renamed_attribute
from attnscope.model.patching.sweep import Sweep

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Mediation:
    """Total, indirect and direct effects of every head (or position, or group of heads), from `Model.mediate`.

    With y = p(answer) / p(foil) (Vig et al. 2020, "Investigating Gender Bias in Language Models Using Causal Mediation
    Analysis", section 3), effects are relative changes of y, without a unit; infinite where they exceed the largest float64.
    Their logarithms (`log_total`, `log_indirect`, `log_direct`) are always finite, and better to average: ratios of
    probabilities are heavy-tailed. Arrays have the shape of the two sweeps that they come from.

    Attributes:
        log_into_clean: The sweep of ln y that reruns the clean prompt with activations of the corrupted prompt.
        log_into_corrupted: The sweep of ln y that reruns the corrupted prompt with activations of the clean prompt.
    """

    log_into_clean: Sweep
    log_into_corrupted: Sweep

    @cached_property
    def into_clean(self) -> Sweep:
        """The sweep of y that reruns the clean prompt with activations of the corrupted prompt.

        As in every `Sweep`, activations come from `clean` and go into `corrupted`: so `into_clean.corrupted` is y of the clean
        prompt.
        """
        return _ratios(self.log_into_clean)

    @cached_property
    def into_corrupted(self) -> Sweep:
        """The sweep of y that reruns the corrupted prompt with activations of the clean prompt."""
        return _ratios(self.log_into_corrupted)

    @property
    def clean(self) -> float:
        """y = p(answer) / p(foil) after the clean prompt."""
        return self.into_clean.corrupted

    @property
    def corrupted(self) -> float:
        """y = p(answer) / p(foil) after the corrupted prompt."""
        return self.into_clean.clean

    @property
    def log_total(self) -> float:
        """The total effect as a logarithm, ln(y(corrupted) / y(clean))."""
        return self.log_into_clean.clean - self.log_into_clean.corrupted

    @property
    def log_indirect(self) -> Float[Tensor, "layer *column"]:
        """Indirect effects as logarithms, ln(y(clean, patched) / y(clean))."""
        return self.log_into_clean.values - self.log_into_clean.corrupted

    @property
    def log_direct(self) -> Float[Tensor, "layer *column"]:
        """Direct effects as logarithms, ln(y(corrupted, patched) / y(clean))."""
        return self.log_into_corrupted.values - self.log_into_clean.corrupted

    @property
    def total(self) -> float:
        """The total effect, y(corrupted) / y(clean) − 1."""
        return float(torch.tensor(self.log_total, dtype=torch.float64).expm1())

    @property
    def indirect(self) -> Float[Tensor, "layer *column"]:
        """Indirect effects [layer, head]: the effect of the change through this head alone. They need not sum to the total."""
        return self.log_indirect.expm1()

    @property
    def direct(self) -> Float[Tensor, "layer *column"]:
        """Direct effects [layer, head]: the effect of the change while this head stays as in the clean prompt."""
        return self.log_direct.expm1()

    def frame(self) -> pandas.DataFrame:
        """A table with one row for each cell: layer, head (or position, or group), the three effects and their logarithms."""
        found = self.log_into_clean.frame().drop(columns=["value", "effect", "restored", "unchanged"])
        return found.assign(
            indirect=self.indirect.flatten().tolist(),
            direct=self.direct.flatten().tolist(),
            total=self.total,
            log_indirect=self.log_indirect.flatten().tolist(),
            log_direct=self.log_direct.flatten().tolist(),
            log_total=self.log_total,
        )

    base = renamed_attribute("base", "clean")
    swap = renamed_attribute("swap", "corrupted")
    into_base = renamed_attribute("into_base", "into_clean")
    into_swap = renamed_attribute("into_swap", "into_corrupted")


def _ratios(logs: Sweep) -> Sweep:
    """A sweep of ln y as a sweep of y."""
    clean, corrupted = (float(torch.tensor(one, dtype=torch.float64).exp()) for one in (logs.clean, logs.corrupted))
    largest = max(0.0, *(one for one in (clean, corrupted) if math.isfinite(one)))
    return replace(
        logs,
        values=logs.values.exp(),
        clean=clean,
        corrupted=corrupted,
        metric="ratio",
        error=largest * math.expm1(logs.error),
    )
