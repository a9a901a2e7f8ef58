"""Tables, edges, similarity, values and flow: against sorting, loops and the model's own modules."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import analysis
from attnscope.errors import InputError, RefusedError

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


@pytest.fixture(scope="module")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    return minilm.trace(TEXT, pair=PAIR)


@pytest.fixture(scope="module")
def sat(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace(TEXT)


def test_the_table_of_heads_has_a_row_for_each(cats) -> None:
    table = analysis.heads(cats)
    assert list(table.columns) == ["layer", "head", *analysis.measures()["name"]]
    assert [(row.layer, row.head) for row in table.itertuples()] == [(i, j) for i in range(6) for j in range(12)]
    off = analysis.heads(cats, off_sink=True)
    assert off[["special_tokens", "a_to_b"]].notna().sum().tolist() == [0, 72]
    weights = cats.attention(2, 3)
    kept = [i for i, token in enumerate(cats.tokens) if not token.special]
    rows = weights[:, kept] / weights[:, kept].sum(1, keepdim=True)
    assert off.query("layer == 2 and head == 3")["confidence"].item() == pytest.approx(
        float(rows.amax(1).mean()), abs=1e-5
    )


@pytest.mark.parametrize(("name", "query", "key"), [("sat", 5, 2), ("sat", 5, 0), ("cats", 10, 3), ("cats", 3, 7)])
def test_heads_are_ranked_by_an_edge_as_sorting_does(request, name, query, key) -> None:
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


def test_what_keys_give_sums_to_what_the_head_gives(minilm, cats) -> None:
    weighted = analysis.value_weighted(cats, 1, 4)
    dense = minilm.hf_model.encoder.layer[1].attention.output.dense.weight[:, 4 * 32 : 5 * 32]
    vectors = cats.v(1, 4) @ dense.T.detach()
    loops = torch.tensor(
        [[float((a * x).norm()) for a, x in zip(row, vectors, strict=True)] for row in cats.attention(1, 4)]
    )
    assert torch.allclose(weighted, loops, atol=1e-5)
    assert torch.allclose(cats.attention(1, 4) @ vectors, cats.head_output(1, 4), atol=1e-4)


def test_values_that_nobody_knows_are_refused() -> None:
    trace = attnscope.Trace.from_attention([torch.eye(3)[None]], list("abc"))
    with pytest.raises(RefusedError, match="values of layer 0"):
        analysis.value_weighted(trace, 0, 0)


def test_rollout_is_the_product_of_mixed_layers(cats) -> None:
    n = len(cats.tokens)
    expected = torch.eye(n, dtype=torch.float64)
    for layer in range(6):
        mean = torch.stack([cats.attention(layer, head) for head in range(12)]).double().mean(0)
        expected = (0.5 * mean + 0.5 * torch.eye(n)) @ expected
    found = analysis.rollout(cats)
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(found.sum(1), torch.ones(n), atol=1e-5)


def test_rollout_with_learned_sinks_still_sums_to_1() -> None:
    found = analysis.rollout(attnscope.Model(tiny_models.build("gpt_oss")).trace(tiny_models.ids(9)))
    assert torch.allclose(found.sum(1), torch.ones(9), atol=1e-5)


@pytest.mark.parametrize("off_sink", [False, True])
def test_similarity_is_the_divergence_of_rows(cats, off_sink) -> None:
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


def test_similarity_wants_at_least_one_query(cats) -> None:
    with pytest.raises(InputError, match="at least 1; got 0"):
        analysis.similarity(cats, queries=0)


def test_pandas_waits_until_a_table_is_made() -> None:
    program = (
        "import sys, attnscope; assert 'torch' not in sys.modules; "
        "attnscope.analysis.heads; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
