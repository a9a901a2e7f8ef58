"""Statistics of units with weights: plain means, the mean nearer zero of several orders, and ratios of sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnscope.study.intervals import Statistic


def weighted_means(values: Float[np.ndarray, "unit cell"]) -> Statistic:
    """The mean over units. Signed weights (sign flips) flip the values. Units without a value do not count."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)

    def statistic(weights: Float[np.ndarray, "resample unit"]) -> Float[np.ndarray, "resample cell"]:
        counts = np.abs(weights) @ known
        return np.divide(weights @ filled, counts, out=np.full(counts.shape, np.nan), where=counts > 0)

    return statistic


def nearer_zero(orders: Sequence[Float[np.ndarray, "unit cell"]]) -> Statistic:
    """0 if the means of the orders differ in sign, else the mean nearer 0; with one order, its mean."""
    means = [weighted_means(one) for one in orders]

    def statistic(weights: Float[np.ndarray, "resample unit"]) -> Float[np.ndarray, "resample cell"]:
        found = np.stack([mean(weights) for mean in means])
        nearest = np.take_along_axis(found, np.abs(found).argmin(0)[None], axis=0)[0]
        agree = (np.sign(found) == np.sign(found[:1])).all(0)
        return np.where(np.isnan(found).any(0), np.nan, np.where(agree, nearest, 0.0))

    return statistic


def ratio_of_sums(numerator: Float[np.ndarray, "unit cell"], denominator: Float[np.ndarray, "unit cell"]) -> Statistic:
    """Σ numerator / Σ denominator over the units in which both are known."""
    known = ~(np.isnan(numerator) | np.isnan(denominator))
    above, below = np.where(known, numerator, 0.0), np.where(known, denominator, 0.0)

    def statistic(weights: Float[np.ndarray, "resample unit"]) -> Float[np.ndarray, "resample cell"]:
        total = weights @ below
        return np.divide(weights @ above, total, out=np.full(total.shape, np.nan), where=total != 0)

    return statistic
