"""The numbers of docs/tutorials/induction-heads-and-distance.md: the stored results match part of a new run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attnscope import Model

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def _stored(name: str) -> Any:
    return json.loads((ROOT / "docs" / "images" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def examples() -> Iterator[Any]:
    sys.path.insert(0, str(EXAMPLES))
    yield import_module("induction"), import_module("distance")
    sys.path.remove(str(EXAMPLES))


def test_ablating_induction_heads_stops_copying_and_leaves_prose_unchanged(examples: Any, smollm2: Model) -> None:
    induction, _ = examples
    stored = _stored("induction-heads")
    heads = [(layer, head) for layer, head in stored["heads"]]
    found, _ = induction.strongest(smollm2, [induction.repeated_tokens(smollm2, 7)], 8)
    assert len(set(found) & set(heads)) >= 6
    seeds = induction.TEST_SEEDS[:3]
    sequences, passages = [induction.repeated_tokens(smollm2, seed) for seed in seeds], induction.PASSAGES[:2]

    def means(heads: list[tuple[int, int]], name: str | None = None) -> dict[str, float]:
        results = induction.measure(smollm2, sequences, passages, heads)
        if name is not None:
            for what, values in results.items():
                assert values == pytest.approx(stored["results"][name][what][: len(values)], abs=0.05), what
        return {what: sum(values) / len(values) for what, values in results.items()}

    unedited, ablated = means([], "unedited"), means(heads, "induction heads ablated")
    at_random = means(induction.random_heads(smollm2, heads, 0))
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
    stored = _stored("distance-pairs")
    head, texts = tuple(stored["head"]), distance.PASSAGES[:4]
    traces = [smollm2.trace(text) for text in texts]
    pairs, shares = distance.by_slope(traces, head)
    count = len(stored["pairs"])
    assert pairs[:count] == [tuple(pair) for pair in stored["pairs"]]
    assert sum(shares[:count]) == pytest.approx(stored["share"], abs=0.01)
    results = {
        name: distance.measure(smollm2, distance.PASSAGES[4:5], head, distance.scale_pairs(head, chosen, 0.0))
        for name, chosen in (("unedited", []), ("top", pairs[:count]), ("others", pairs[10:16]))
    }
    near, far, other = (results[name][0][0] for name in ("unedited", "top", "others"))
    assert far > 3 * near
    by_factor = stored["factors"]["distances"]
    assert [near, far] == pytest.approx([by_factor["1.0"][0], by_factor["0.0"][0]], abs=0.3)
    assert abs(other - near) < 1.5
    assert max(sinks[0] for _, sinks in results.values()) < 0.15
