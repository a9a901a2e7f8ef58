"""Ranks of one edge in every head, compared with sorted weights."""

from __future__ import annotations

import math

import pytest
import torch

import attnscope
from attnscope import analysis
from attnscope.errors import InputError

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


@pytest.fixture(scope="module")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    return minilm.trace(TEXT, pair=PAIR)


@pytest.fixture(scope="module")
def sat(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace(TEXT)


@pytest.mark.parametrize(("name", "query", "key"), [("sat", 5, 2), ("sat", 5, 0), ("cats", 10, 3), ("cats", 3, 7)])
def test_weights_and_ranks_of_an_edge_equal_those_from_sorting(request, name, query, key) -> None:
    trace = request.getfixturevalue(name)
    table = analysis.edge(trace, query, key)
    assert table["weight"].is_monotonic_decreasing
    sinks = [i for i, token in enumerate(trace.tokens) if token.special or (name == "sat" and i == 0)]
    allowed = list(range(query + 1)) if name == "sat" else list(range(len(trace.tokens)))
    for row in table.itertuples():
        weights = trace.attention(row.layer, row.head, rows=[query])[0].tolist()
        order = sorted((weights[j] for j in allowed), reverse=True)
        assert row.weight == pytest.approx(weights[key], abs=1e-6)
        assert row.score == pytest.approx(
            float(trace.scores(row.layer, row.head, rows=[query])[0, key]), rel=1e-4, abs=1e-4
        )
        assert (row.rank, row.among) == (order.index(weights[key]) + 1, len(allowed))
        left = {j: weights[j] for j in allowed if j not in sinks}
        assert row.among_off_sink == len(left)
        if key in sinks:
            assert row.rank_off_sink == 0 and math.isnan(row.weight_off_sink)
        else:
            assert row.weight_off_sink == pytest.approx(weights[key] / sum(left.values()), rel=1e-4)
            assert row.rank_off_sink == sorted(left.values(), reverse=True).index(weights[key]) + 1


def test_an_edge_in_a_trace_of_weights_has_no_score() -> None:
    trace = attnscope.Trace.from_attention([torch.eye(3)[None]], list("abc"))
    table = analysis.edge(trace, 1, 1)
    assert (
        table["score"].notna().tolist() == [False] and table["rank"].tolist() == [1] and table["among"].tolist() == [2]
    )
    with pytest.raises(InputError, match="no key 3"):
        analysis.edge(trace, 1, 3)
