"""Head similarity: the mean Jensen–Shannon divergence of attention rows."""

from __future__ import annotations

import math

import pytest

import attnscope
from attnscope import analysis
from attnscope.errors import InputError

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


@pytest.fixture(scope="module")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    return minilm.trace(TEXT, pair=PAIR)


@pytest.mark.parametrize("off_sink", [False, True])
def test_similarity_is_the_mean_divergence_of_rows(cats, off_sink) -> None:
    table = analysis.similarity(cats, queries=None, off_sink=off_sink)
    assert list(table.columns) == list(table.index) and len(table) == 72
    kept = [i for i, token in enumerate(cats.tokens) if not (off_sink and token.special)]

    def row(layer: int, head: int, query: int) -> list[float]:
        weights = cats.attention(layer, head, rows=[query])[0, kept].double()
        return (weights / weights.sum()).tolist()

    def divergence(p: list[float], q: list[float]) -> float:
        pairs = [(a, b, (a + b) / 2) for a, b in zip(p, q, strict=True)]
        return sum((a * math.log(a / m) if a else 0) / 2 + (b * math.log(b / m) if b else 0) / 2 for a, b, m in pairs)

    for one, other in [((0, 0), (5, 11)), ((2, 3), (2, 4)), ((1, 1), (1, 1))]:
        each = [divergence(row(*one, i), row(*other, i)) for i in range(len(cats.tokens))]
        found = table.loc[f"{one[0]}.{one[1]}", f"{other[0]}.{other[1]}"]
        assert found == pytest.approx(sum(each) / len(each), abs=1e-5)


def test_similarity_needs_at_least_one_query(cats) -> None:
    with pytest.raises(InputError, match=r"at least 1.*got 0"):
        analysis.similarity(cats, queries=0)
