"""Causal mediation analysis (Vig et al. 2020): how much of the effect of a changed prompt goes through one head.

y = p(answer) / p(foil). For a clean prompt and a corrupted one, in which a word was swapped:

    total effect      TE = y(corrupted) / y(clean) − 1
    indirect effect   y(clean, with this head's attention from corrupted) / y(clean) − 1
    direct effect     y(corrupted, with this head's attention from clean) / y(clean) − 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from attnscope.deprecation import renamed_attribute
from attnscope.model.patching.sweep import Sweep

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Mediation:
    """Total, indirect and direct effects of every head (or position), from `Model.mediate`.

    With y = p(answer) / p(foil) (Vig et al. 2020, "Investigating Gender Bias in Language Models Using Causal Mediation
    Analysis"), effects are relative changes of y, without a unit. Arrays have the shape of the two sweeps that they come from.

    `into_clean` is the sweep that reruns the clean prompt with activations of the corrupted prompt, `into_corrupted` the reverse.
    Both follow the convention of `Sweep`, in which activations come from `clean` and go into `corrupted`: so
    `into_clean.corrupted` is y of the clean prompt. Source: Vig et al. 2020, "Investigating Gender Bias in Language Models
    Using Causal Mediation Analysis", section 3.
    """

    into_clean: Sweep
    into_corrupted: Sweep

    @property
    def clean(self) -> float:
        """y = p(answer) / p(foil) after the clean prompt."""
        return self.into_clean.corrupted

    @property
    def corrupted(self) -> float:
        """y = p(answer) / p(foil) after the corrupted prompt."""
        return self.into_clean.clean

    @property
    def total(self) -> float:
        """The total effect, y(corrupted) / y(clean) − 1."""
        return self.corrupted / self.clean - 1

    @property
    def indirect(self) -> Float[Tensor, "layer *column"]:
        """Indirect effects [layer, head]: the effect of the change through this head alone. They need not sum to the total."""
        return self.into_clean.values / self.clean - 1

    @property
    def direct(self) -> Float[Tensor, "layer *column"]:
        """Direct effects [layer, head]: the effect of the change while this head stays as in the clean prompt."""
        return self.into_corrupted.values / self.clean - 1

    def frame(self) -> pandas.DataFrame:
        """A table with one row for each cell: layer, head (or position), indirect, direct, total."""
        found = self.into_clean.frame().drop(columns=["value", "effect", "restored", "unchanged"])
        indirect, direct = self.indirect.flatten().tolist(), self.direct.flatten().tolist()
        return found.assign(indirect=indirect, direct=direct, total=self.total)

    base = renamed_attribute("base", "clean")
    swap = renamed_attribute("swap", "corrupted")
    into_base = renamed_attribute("into_base", "into_clean")
    into_swap = renamed_attribute("into_swap", "into_corrupted")
