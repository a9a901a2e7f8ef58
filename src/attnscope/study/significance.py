"""Sign-flip tests over units, and q-values over many heads.

The null hypothesis is that a unit's value is as likely as its negative, which suits contrasts, differences and effects, but not
shares of attention. A p-value is the share of random sign flips whose |statistic| is at least the observed one; the observed
signs count as one of them. q-values control the false discovery rate over the cells (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attnscope.errors import InputError
from attnscope.study.intervals import SEED, Statistic

FEWEST = 12
"""With fewer units, sign flips cannot give small p-values."""

FLIPS = 10_000

_AT_ONCE = 500


def sign_flip_p_values(
    statistic: Statistic, units: int, *, flips: int = FLIPS, seed: int = SEED
) -> Float[np.ndarray, "cell"]:
    """Two-sided p-values of each cell. `statistic` takes signed weights of the units, one row for each flip.

    Raises `InputError` for fewer than 12 units.
    """
    if units < FEWEST:
        raise InputError(
            f"A sign-flip test needs at least {FEWEST} independent inputs; there are {units}. Use more rows."
        )
    observed = np.abs(statistic(np.ones((1, units)))[0])
    close = observed * (1 - 1e-12)
    rng = np.random.default_rng(seed)
    larger = np.ones(observed.shape)
    for start in range(0, flips, _AT_ONCE):
        signs = rng.choice((-1.0, 1.0), size=(min(_AT_ONCE, flips - start), units))
        larger += (np.abs(statistic(signs)) >= close).sum(0)
    return np.where(np.isnan(observed), np.nan, larger / (flips + 1))


def q_values(p: Float[np.ndarray, "cell"]) -> Float[np.ndarray, "cell"]:
    """Benjamini–Hochberg q-values; NaN p-values are not tests and stay NaN."""
    found = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
