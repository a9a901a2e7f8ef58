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
) -> dict[str, float]:
    """Every defined measure of one head. `weights` and `allowed` are [queries, keys]."""
    queries, keys = weights.shape
    is_sink = [special[j] or (causal and j == 0) for j in range(keys)]
    closed = is_sink if off_sink else [False] * keys
    rows: dict[str, list[float]] = {}
    possible: set[str] = set()

    def put(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for i in range(queries):
        open_ = [j for j in range(keys) if allowed[i, j] and not closed[j]]
        if not open_:
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
        if not closed[0]:
            put("first_token", row.get(0, 0.0))
        if not off_sink:
            if any(special):
                put("special_tokens", sum(w for j, w in row.items() if special[j]))
            if any(is_sink):
                put("sinks", sum(w for j, w in row.items() if is_sink[j]))
            if learned_sink:
                put("learned_sink", 1 - sum(row.values()))
        for of in "AB":
            for on in "AB":
                if sentences[i] == of:
                    name = f"{of.lower()}_to_{on.lower()}"
                    put(name, sum(w for j, w in row.items() if sentences[j] == on))
                    if any(sentences[j] == on for j in open_):
                        possible.add(name)
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
    return {name: sum(values) / len(values) for name, values in rows.items() if "_to_" not in name or name in possible}
