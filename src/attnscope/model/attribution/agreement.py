"""How well first-order estimates agree with what real interventions do."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def spearman(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """Spearman's rank correlation, with mean ranks for ties. NaN for fewer than two pairs, or if a side is constant."""
    if len(one) < 2:
        return torch.nan
    first, second = _ranks(one), _ranks(other)
    norm = float(first.norm() * second.norm())
    return float(first @ second) / norm if norm else torch.nan


def same_sign(one: Float[Tensor, "n"], other: Float[Tensor, "n"]) -> float:
    """The share of pairs with the same sign; NaN if there are no pairs."""
    return float((one.sign() == other.sign()).double().mean()) if len(one) else torch.nan


def _ranks(values: Tensor) -> Tensor:
    """The ranks of values minus their mean; equal values have the mean of their ranks."""
    _, number, counts = values.double().unique(sorted=True, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    ranks = (last - (counts.double() - 1) / 2)[number]
    return ranks - ranks.mean()
