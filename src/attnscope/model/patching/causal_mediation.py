"""Causal mediation analysis (Vig et al. 2020): how much of a prompt change acts through one head.

With y = p(c2) / p(c1) of two continuations, for a base prompt and a prompt in which one word was swapped:

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
        """The total effect, y(swap) / y(base) − 1."""
        return self.swap / self.base - 1

    @property
    def indirect(self) -> Float[Tensor, "layer *column"]:
        """The indirect effect through each cell alone, [layer, head] or [layer, position]; NaN where a layer has none.

        y(base, with this activation as in swap) / y(base) − 1. Indirect effects do not sum to the total effect.
        """
        return self.into_base.values / self.base - 1

    @property
    def direct(self) -> Float[Tensor, "layer *column"]:
        """The effect of the swap while each cell keeps its base activation, [layer, head] or [layer, position].

        y(swap, with this activation as in base) / y(base) − 1; NaN where a layer has no such activation.
        """
        return self.into_swap.values / self.base - 1

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per cell: layer, head (or position), indirect, direct, total."""
        found = self.into_base.frame().drop(columns=["value", "effect", "restored", "unchanged"])
        indirect, direct = self.indirect.flatten().tolist(), self.direct.flatten().tolist()
        return found.assign(indirect=indirect, direct=direct, total=self.total)

    base = renamed_attribute("base", "clean")
    swap = renamed_attribute("swap", "corrupted")
    into_base = renamed_attribute("into_base", "into_clean")
    into_swap = renamed_attribute("into_swap", "into_corrupted")
