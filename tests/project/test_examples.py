"""The claims of docs/tutorials/induction-heads-and-distance.md, tested on fewer texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attnscope import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

INDUCTION = [(18, 6), (17, 3), (17, 4), (17, 5), (18, 7), (23, 2), (23, 7), (20, 6)]
"""The eight strongest induction heads of SmolLM2 on four sequences."""


@pytest.fixture(scope="module")
def examples() -> Iterator[Any]:
    sys.path.insert(0, str(EXAMPLES))
    yield import_module("induction"), import_module("distance")
    sys.path.remove(str(EXAMPLES))


def test_ablating_induction_heads_stops_copying_and_leaves_prose_unchanged(examples: Any, smollm2: Model) -> None:
    induction, _ = examples
    found, _ = induction.strongest(smollm2, [induction.repeated_tokens(smollm2, 7)], 8)
    assert len(set(found) & set(INDUCTION)) >= 6
    sequences, passages = [induction.repeated_tokens(smollm2, seed) for seed in (200, 201, 202)], induction.PASSAGES[:2]

    def means(heads: list[tuple[int, int]]) -> dict[str, float]:
        results = induction.measure(smollm2, sequences, passages, heads)
        return {what: sum(values) / len(values) for what, values in results.items()}

    unedited, ablated = means([]), means(INDUCTION)
    at_random = means(induction.random_heads(smollm2, INDUCTION, 0))
    assert unedited["copy accuracy"] > 0.5
    assert ablated["copy accuracy"] < 0.05
    assert ablated["copy loss"] > unedited["copy loss"] + 5
    assert abs(ablated["plain loss"] - unedited["plain loss"]) < 0.1
    assert at_random["copy accuracy"] > 0.4
    assert at_random["copy loss"] < unedited["copy loss"] + 2


def test_scaling_the_pairs_behind_the_decay_moves_the_head_away_and_random_pairs_do_not(
    examples: Any, smollm2: Model
) -> None:
    _, distance = examples
    head, texts = (11, 2), distance.PASSAGES[:2]
    traces = [smollm2.trace(text) for text in texts]
    pairs, shares = distance.by_slope(traces, head)
    assert sum(shares[:6]) > 0.9
    results = {
        name: distance.measure(smollm2, texts[:1], head, distance.scale_pairs(head, chosen, 0.0))
        for name, chosen in (("unedited", []), ("top", pairs[:6]), ("others", pairs[10:16]))
    }
    near, far, other = (results[name][0][0] for name in ("unedited", "top", "others"))
    assert far > 3 * near
    assert abs(other - near) < 1.5
    assert max(sinks[0] for _, sinks in results.values()) < 0.15
