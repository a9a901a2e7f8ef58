"""Confidence intervals of means over inputs that come in units, and of other statistics of the units.

Inputs that are made from one row of a template are not independent, so a unit (a row) is what is resampled, never an input.

- A mean over units gets a bootstrap-t interval (Efron & Tibshirani 1993, section 12.5): t* = (mean* − mean) / se*, and the
  interval is mean − t*(97.5 %) · se to mean − t*(2.5 %) · se.
- Any other statistic gets a BCa interval (Efron 1987): percentiles of the resampled statistic, corrected for its bias and for the
  acceleration that the jackknife gives. Where values are so discrete that resamples without any spread occur, means get this one.

Percentile intervals of means are not used, because they are too narrow for few or skewed values. BCa intervals of other
statistics are hardly wider than these for few units (docs/explanation/many-inputs.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int

FEWEST = 8
"""With fewer units there is no interval: the values are shown instead."""

LEVEL = 0.95
RESAMPLES = 4000
SEED = 0

_CELLS_AT_ONCE = 512
_NORMAL = NormalDist()

Statistic = Callable[[Float[np.ndarray, "resample unit"]], Float[np.ndarray, "resample cell"]]
"""A statistic of weighted units: one row of weights for each resample. A unit that was drawn twice has the weight 2."""


@dataclass(frozen=True, eq=False)
class Interval:
    """An estimate and its interval for each cell; NaN where there is none."""

    estimate: Float[np.ndarray, "cell"]
    low: Float[np.ndarray, "cell"]
    high: Float[np.ndarray, "cell"]
    n: Int[np.ndarray, "cell"]


def mean_interval(values: Float[np.ndarray, "unit cell"], *, level: float = LEVEL, seed: int = SEED) -> Interval:
    """The mean over the units of each cell, with its bootstrap-t interval. NaN values do not count, and `n` is what is left."""
    known = ~np.isnan(values)
    n = known.sum(0)
    mean = np.divide(np.where(known, values, 0.0).sum(0), n, out=np.full(n.shape, np.nan), where=n > 0)
    low, high = np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    for pattern, columns in _by_pattern(known):
        if pattern.sum() < FEWEST:
            continue
        for at in range(0, len(columns), _CELLS_AT_ONCE):
            some = columns[at : at + _CELLS_AT_ONCE]
            low[some], high[some] = _bootstrap_t(values[np.ix_(pattern, some)], level, seed)
    return Interval(mean, low, high, n)


def statistic_interval(statistic: Statistic, units: int, *, level: float = LEVEL, seed: int = SEED) -> Interval:
    """A statistic of the units, with its BCa interval if there are enough of them."""
    estimate = statistic(np.ones((1, units)))[0]
    low, high = np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
    if units >= FEWEST:
        weights = _weights(units, RESAMPLES, seed)
        left_out = 1.0 - np.eye(units)
        low, high = _bca(estimate, statistic(weights), statistic(left_out), level)
    return Interval(estimate, low, high, np.full(estimate.shape, units))


def unit_means(
    values: Float[np.ndarray, "input cell"], units: Int[np.ndarray, "input"]
) -> Float[np.ndarray, "unit cell"]:
    """The mean of each unit's inputs, NaN where none of them has a value. Units are numbered from 0."""
    count = int(units.max()) + 1 if len(units) else 0
    known = ~np.isnan(values)
    sums, counts = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(sums, units, np.where(known, values, 0.0))
    np.add.at(counts, units, known)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _by_pattern(known: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The columns that have the same units, so that they share their resamples."""
    if not known.shape[1]:
        return []
    patterns, which = np.unique(known.T, axis=0, return_inverse=True)
    return [(pattern, np.flatnonzero(which.reshape(-1) == index)) for index, pattern in enumerate(patterns)]


def _bootstrap_t(values: np.ndarray, level: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    n = len(values)
    mean = values.mean(0)
    centered = values - mean
    error = centered.std(0, ddof=1) / np.sqrt(n)
    weights = _weights(n, RESAMPLES, seed)
    means = weights @ centered / n
    variances = np.maximum(weights @ centered**2 / n - means**2, 0.0)
    errors = np.sqrt(variances / (n - 1))
    flat = errors <= 1e-9 * np.maximum(error, np.finfo(float).tiny)
    t = np.divide(means, errors, out=np.zeros_like(means), where=~flat)
    tail = (1 - level) / 2
    high_t, low_t = np.quantile(t, [1 - tail, tail], axis=0)
    low, high = mean - high_t * error, mean - low_t * error
    discrete = flat.any(0) & (error > 0)
    if discrete.any():
        some = values[:, discrete]
        left_out = (some.sum(0) - some) / (n - 1)
        low[discrete], high[discrete] = _bca(some.mean(0), weights @ some / n, left_out, level)
    constant = error == 0
    low[constant], high[constant] = mean[constant], mean[constant]
    return low, high


def _bca(
    estimate: np.ndarray, resampled: np.ndarray, left_out: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The BCa interval of each cell from the statistic of every resample and of every set that leaves out one unit."""
    count = len(resampled)
    below = ((resampled < estimate).sum(0) + (resampled == estimate).sum(0) / 2) / count
    bias = _quantile(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    apart = left_out.mean(0) - left_out
    spread = (apart**2).sum(0)
    acceleration = np.divide((apart**3).sum(0), 6 * spread**1.5, out=np.zeros_like(spread), where=spread > 0)
    tail = (1 - level) / 2
    ends = []
    ordered = np.sort(resampled, axis=0)
    for share in (tail, 1 - tail):
        z = bias + _NORMAL.inv_cdf(share)
        adjusted = _cumulative(bias + z / (1 - acceleration * z))
        place = np.clip(adjusted * (count - 1), 0, count - 1)
        lower = np.floor(place).astype(int)
        upper = np.minimum(lower + 1, count - 1)
        columns = np.arange(ordered.shape[1])
        part = place - lower
        ends.append(ordered[lower, columns] * (1 - part) + ordered[upper, columns] * part)
    return ends[0], ends[1]


def _weights(units: int, resamples: int, seed: int) -> np.ndarray:
    """How often each unit was drawn in each resample."""
    return np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples).astype(float)


_quantile = np.vectorize(_NORMAL.inv_cdf, otypes=[float])
_cumulative = np.vectorize(_NORMAL.cdf, otypes=[float])
