"""The vectors of the neuron view: of one pass, or the difference of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnscope.errors import UnsupportedError
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence

Place = tuple[int, int, str]
"""Layer, head and stack."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of one head, and those of one query with every key.

    Attributes:
        q: [query, dim].
        k: [key, dim].
        product: q × k of the query, [key, dim].
        allowed: Which keys the query may attend to, [key].
    """

    q: NDArray[np.float32]
    k: NDArray[np.float32]
    product: NDArray[np.float32]
    allowed: NDArray[np.bool_]


def vectors_of(trace: Trace, place: Place, query: int) -> Vectors:
    """The vectors of one pass. Raises `UnsupportedError` for a layer without queries and keys."""
    q, k = trace.q(*place).numpy(), trace.k(*place).numpy()
    allowed = np.isfinite(trace.scores(*place, rows=[query])[0].numpy())
    return Vectors(q, k, q[query] * k, allowed)


def subtracted(vectors: Vectors, found: Correspondence, place: Place, query: int) -> Vectors:
    """The vectors minus those of the baseline. `query` has a counterpart; tokens without one have zeros and aren't allowed.

    Raises `UnsupportedError` if the baseline's vectors have another size.
    """
    layer, head, stack = place
    queries, keys = (one.numpy() for one in found.tokens(layer, stack))
    before = vectors_of(found.baseline, (layer, head, stack), int(queries[query]))
    if before.q.shape[-1] != vectors.q.shape[-1]:
        raise UnsupportedError(
            f"Vectors of head {layer}.{head} have {vectors.q.shape[-1]} dimensions, and {before.q.shape[-1]} in the "
            "baseline, so they have no difference. Use `view='head'`."
        )
    both = keys >= 0
    at = np.maximum(keys, 0)
    return Vectors(
        _difference(vectors.q, before.q, queries),
        _difference(vectors.k, before.k, keys),
        _difference(vectors.product, before.product, keys),
        both & vectors.allowed & before.allowed[at],
    )


def _difference(
    now: NDArray[np.float32], before: NDArray[np.float32], tokens: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Rows minus the corresponding rows; 0 where a token has no counterpart."""
    return np.where(tokens[:, None] >= 0, now - before[np.maximum(tokens, 0)], 0)
