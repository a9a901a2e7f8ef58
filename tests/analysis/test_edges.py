"""Ranks of one edge in every head, compared with sorted weights."""

from __future__ import annotations

import math

import pytest
import torch

import attnscope
from attnscope import analysis
from attnscope.analysis.edges import edge_of, edge_weights
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
    trace = attnscope.Trace.from_attention([torch.eye(3)[None, None]], list("abc"))
    table = analysis.edge(trace, 1, 1)
    assert (
        table["score"].notna().tolist() == [False] and table["rank"].tolist() == [1] and table["among"].tolist() == [2]
    )
    with pytest.raises(InputError, match="no key 3"):
        analysis.edge(trace, 1, 3)


def by_hand(trace: attnscope.Trace, row, queries: list[int], keys: list[int]) -> float:
    weights = trace.attention(row.layer, row.head)
    return sum(sum(float(weights[i, j]) for j in keys) for i in queries) / len(queries)


@pytest.mark.parametrize(
    ("name", "query", "key", "queries", "keys"),
    [
        ("sat", "the mat", "cat sat", [4, 5], [1, 2]),
        ("sat", "mat", [0, 2], [5], [0, 2]),
        ("cats", "cat sat", ("the", 3), [2, 3], [8]),
        ("cats", ("cat", 2), "[CLS]", [9], [0]),
    ],
)
def test_a_span_is_the_sum_over_its_keys_and_the_mean_over_its_queries(
    request, name, query, key, queries, keys
) -> None:
    trace = request.getfixturevalue(name)
    table = analysis.edge(trace, query, key)
    assert table.equals(analysis.edge(trace, queries, keys))
    sinks = {i for i, token in enumerate(trace.tokens) if token.special or (name == "sat" and i == 0)}
    for row in table.iloc[::7].itertuples():
        assert row.weight == pytest.approx(by_hand(trace, row, queries, keys), abs=1e-5)
        scores = trace.scores(row.layer, row.head, rows=queries)[:, keys]
        assert row.score == pytest.approx(float(scores.exp().sum(-1).log().mean()), rel=1e-4, abs=1e-4)
        mean = trace.attention(row.layer, row.head, rows=queries).mean(0).tolist()
        allowed = range(max(queries) + 1) if name == "sat" else range(len(trace.tokens))
        assert row.rank == 1 + sum(mean[j] > row.weight + 1e-7 for j in allowed if j not in keys)
        assert row.among == len([j for j in allowed if j not in keys]) + 1
        left = [j for j in keys if j not in sinks]
        if not left:
            assert math.isnan(row.weight_off_sink) and row.rank_off_sink == 0
            continue
        weights = trace.attention(row.layer, row.head, rows=queries)
        rest = [sum(float(one[j]) for j in allowed if j not in sinks) for one in weights]
        shares = [sum(float(one[j]) for j in left) / total for one, total in zip(weights, rest, strict=True)]
        assert row.weight_off_sink == pytest.approx(sum(shares) / len(shares), rel=1e-4)


def test_queries_that_may_look_at_no_key_of_a_span_do_not_count(sat: attnscope.Trace) -> None:
    table = analysis.edge(sat, [1, 5], [3, 4])
    for row in table.head(5).itertuples():
        assert row.weight == pytest.approx(float(sat.attention(row.layer, row.head)[5, [3, 4]].sum()), abs=1e-6)
    assert analysis.edge(sat, 1, [3, 4])["weight"].tolist() == [0.0] * 270


def test_an_ambiguous_word_is_one_sentence(cats: attnscope.Trace) -> None:
    with pytest.raises(InputError, match='`key`: "cat" occurs at tokens 2 and 9 of "the cat sat on the mat'):
        analysis.edge(cats, "sat", "cat")


@pytest.mark.parametrize("off_sink", [False, True])
def test_the_weights_of_several_keys_are_those_of_single_edges(sat, off_sink):
    trace = sat
    keys = [[0], [2], [1, 3]]
    found = edge_weights(trace, [4, 5], keys, off_sink=off_sink)
    for row, key in enumerate(keys):
        alone = edge_of(trace, [4, 5], key)
        expected = alone.weight_off_sink if off_sink else alone.weight
        assert torch.allclose(found[row], expected, equal_nan=True, atol=1e-7)
