"""The match of one head with a pattern, computed in loops over single weights: the reference for tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def matched(
    weights: np.ndarray,
    allowed: np.ndarray,
    pairs: Collection[tuple[int, int]],
    *,
    closed: Collection[int] = (),
    ignored: Collection[int] = (),
    renormalized: bool = False,
    query_words: Sequence[Sequence[int]] | None = None,
    key_words: Sequence[Sequence[int]] | None = None,
    offsets: bool = True,
) -> dict[str, float]:
    """The columns of `analysis.match`, but for the control. `weights` and `allowed` are [queries, keys].

    `closed` are keys that don't count (padding, or sinks), `ignored` are queries that don't (padding). Words are lists of tokens;
    those of queries and keys must be the same if offsets are wanted.
    """
    queries, keys = weights.shape
    query_words = query_words or [[i] for i in range(queries)]
    key_words = key_words or [[j] for j in range(keys)]
    rows: dict[int, dict[int, float]] = {}
    for i in range(queries):
        row = {j: float(weights[i, j]) for j in range(keys) if allowed[i, j] and j not in closed}
        total = sum(row.values())
        if i in ignored or total == 0 or not any((i, j) in pairs for j in row):
            continue
        rows[i] = {j: weight / total for j, weight in row.items()} if renormalized else row
    on = sum(weight for i, row in rows.items() for j, weight in row.items() if (i, j) in pairs)
    of_all = sum(weight for row in rows.values() for weight in row.values())
    apart = [sum(abs(weight - ((i, j) in pairs)) for j, weight in row.items()) for i, row in rows.items()]
    found = {
        "share": on / of_all,
        "closeness": 1 - sum(apart) / len(rows),
        "rows": len(rows),
    }
    right, counted = 0, 0
    predicted: dict[int, int] = {}
    for place, word in enumerate(query_words):
        own = [rows[i] for i in word if i in rows]
        if not own:
            continue
        counted += 1
        mean: dict[int, float] = {}
        for at, other in enumerate(key_words):
            if any(j in row for row in own for j in other):
                mean[at] = sum(row.get(j, 0) for row in own for j in other) / len(own)
        true = {at for at in mean if any((i, j) in pairs and j in rows.get(i, ()) for i in word for j in key_words[at])}
        best = max(mean.values())
        right += {at for at, weight in mean.items() if weight == best} <= true
        for at in true:
            predicted[place - at] = predicted.get(place - at, 0) + 1
    found["accuracy"] = right / counted
    if not offsets:
        return found
    most = max(predicted.values())
    offset = min((abs(k), -k) for k, count in predicted.items() if count == most)
    k = -offset[1]
    found |= {"offset": k, "offset_accuracy": most / counted}
    there, total = 0.0, 0.0
    for place, word in enumerate(query_words):
        for i in word:
            if i in rows and 0 <= place - k < len(key_words) and any(j in rows[i] for j in key_words[place - k]):
                there += sum(rows[i].get(j, 0) for j in key_words[place - k])
                total += sum(rows[i].values())
    found["offset_share"] = there / total
    return found
