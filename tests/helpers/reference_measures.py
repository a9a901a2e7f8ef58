"""The measures in docs/reference/measures.md, computed in loops over single weights: the reference for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def measures(
    weights: np.ndarray,
    allowed: np.ndarray,
    *,
    ids: Sequence[int],
    special: Sequence[bool],
    sentences: Sequence[str | None],
    causal: bool,
    aligned: bool = True,
    off_sink: bool = False,
    learned_sink: bool = False,
    padding: Sequence[bool] | None = None,
) -> dict[str, float]:
    """Every defined measure of one head. `weights` and `allowed` are [queries, keys].

    A measure of certain keys counts the queries that may attend to any of them. `padding` marks positions that are neither
    queries nor keys.
    """
    queries, keys = weights.shape
    padded = [False] * keys if padding is None else padding
    start = padded.index(False)
    special = [special[j] and not padded[j] for j in range(keys)]
    is_sink = [special[j] or (causal and j == start) for j in range(keys)]
    closed = [padded[j] or (off_sink and is_sink[j]) for j in range(keys)]
    rows: dict[str, list[float]] = {}

    def put(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for i in range(queries):
        open_ = [j for j in range(keys) if allowed[i, j] and not closed[j]]
        if not open_ or (aligned and padded[i]):
            continue
        row = {j: float(weights[i, j]) for j in open_}
        if off_sink:
            left = sum(row.values())
            if left == 0:
                continue
            row = {j: weight / left for j, weight in row.items()}
        entropy = -sum(w * math.log(w) for w in row.values() if w > 0)
        put("entropy", entropy)
        if len(open_) > 1:
            put("normalized_entropy", entropy / math.log(len(open_)))
        put("confidence", max(row.values()))
        if start in row:
            put("first_token", row[start])
        if not off_sink:
            if any(special[j] for j in row):
                put("special_tokens", sum(w for j, w in row.items() if special[j]))
            if any(is_sink[j] for j in row):
                put("sinks", sum(w for j, w in row.items() if is_sink[j]))
            if learned_sink:
                put("learned_sink", 1 - sum(row.values()))
        for of in "AB":
            for on in "AB":
                there = [w for j, w in row.items() if sentences[i] == of and sentences[j] == on]
                if there:
                    put(f"{of.lower()}_to_{on.lower()}", sum(there))
        if not aligned:
            continue
        put("distance", sum(w * abs(i - j) for j, w in row.items()))
        for name, j in (("previous", i - 1), ("self", i), ("next", i + 1)):
            if j in row:
                put(name, row[j])
        earlier = [j for j in range(i) if ids[j] == ids[i] and not special[i] and not special[j]]
        seen = [j for j in earlier if j in row]
        if seen:
            put("duplicate_token", sum(row[j] for j in seen))
        after = [j + 1 for j in earlier if j + 1 < i and j + 1 in row]
        if after:
            put("induction", sum(row[j] for j in after))
    return {name: sum(values) / len(values) for name, values in rows.items()}
