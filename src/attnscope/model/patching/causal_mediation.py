"""Causal mediation (Vig et al. 2020): how much of what a changed prompt does goes through one head.

y = p(c2) / p(c1) of two continuations. Of the base prompt and of one in which a word was swapped:

    total effect      TE = y(swap) / y(base) − 1
    indirect effect   y(base, this head's attention as in swap) / y(base) − 1
    direct effect     y(swap, this head's attention as in base) / y(base) − 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from attnscope.model.patching.sweep import Sweep

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Mediation:
    """The effects of every head (or position): arrays as in the two sweeps they come from."""

    into_base: Sweep
    into_swap: Sweep

    @property
    def base(self) -> float:
        """y of the base prompt."""
        return self.into_base.corrupted

    @property
    def swap(self) -> float:
        """y of the swapped prompt."""
        return self.into_base.clean

    @property
    def total(self) -> float:
        """TE: what the swap changes, as a part of the base's ratio."""
        return self.swap / self.base - 1

    @property
    def indirect(self) -> Float[Tensor, "layer *column"]:
        """What the swap changes through this one alone. They do not add up to the total."""
        return self.into_base.values / self.base - 1

    @property
    def direct(self) -> Float[Tensor, "layer *column"]:
        """What the swap changes while this one stays as in the base prompt."""
        return self.into_swap.values / self.base - 1

    def frame(self) -> pandas.DataFrame:
        """One row a cell: layer, head (or position), indirect, direct, total."""
        found = self.into_base.frame().drop(columns=["value", "effect", "restored", "unchanged"])
        indirect, direct = self.indirect.flatten().tolist(), self.direct.flatten().tolist()
        return found.assign(indirect=indirect, direct=direct, total=self.total)
