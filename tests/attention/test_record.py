"""Scores and weights of a layer on small cases, computed by hand and by brute force from the definitions."""

from __future__ import annotations

import math

import pytest
import torch

from attnscope.attention import Bias, Mask, QKRecord

pytestmark = pytest.mark.core

GENERATOR = torch.Generator().manual_seed(3)


def record(queries: int = 6, keys: int = 6, **options) -> QKRecord:
    q = torch.randn(4, queries, 8, generator=GENERATOR)
    k, v = torch.randn(2, keys, 8, generator=GENERATOR), torch.randn(2, keys, 5, generator=GENERATOR)
    options.setdefault("mask", Mask.causal(queries, keys))
    return QKRecord(q=q, k=k, v=v, scaling=0.3, **options)


def brute_force(one: QKRecord, head: int, query: int, allowed) -> tuple[list[float], list[float]]:
    """Scores and weights of one row, written out from the definitions in plain Python."""
    group = head // (one.q.shape[0] // one.k.shape[0])
    scores = []
    for key in range(one.keys):
        score = (
            sum(float(a) * float(b) for a, b in zip(one.q[head, query], one.k[group, key], strict=True)) * one.scaling
        )
        if one.softcap is not None:
            score = one.softcap * math.tanh(score / one.softcap)
        if one.bias is not None:
            score += float(one.bias.rows(torch.tensor([query]))[head, 0, key])
        scores.append(score if allowed(query, key) else -math.inf)
    terms = [math.exp(score) for score in scores]
    total = sum(terms) + (math.exp(float(one.sinks[head])) if one.sinks is not None else 0.0)
    return scores, [term / total if total else 0.0 for term in terms]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"softcap": 0.7},
        {"sinks": torch.tensor([0.5, -1.0, 2.0, 0.0])},
        {"bias": Bias.fit(torch.randn(4, 6, 6, generator=GENERATOR))},
        {"softcap": 1.5, "sinks": torch.ones(4), "bias": Bias.fit(torch.randn(4, 6, 6, generator=GENERATOR))},
    ],
    ids=["plain", "soft cap", "sinks", "bias", "all"],
)
def test_scores_and_weights_follow_their_definitions(options) -> None:
    one = record(**options)
    heads, rows = torch.arange(4), torch.arange(6)
    scores, weights = one.scores(heads, rows), one.attention(heads, rows)
    for head in range(4):
        for query in range(6):
            expected_scores, expected = brute_force(one, head, query, lambda i, j: j <= i)
            torch.testing.assert_close(scores[head, query], torch.tensor(expected_scores), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(weights[head, query], torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_a_two_by_two_case_worked_by_hand() -> None:
    one = QKRecord(
        q=torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]),
        k=torch.tensor([[[1.0, 1.0], [3.0, 0.0]]]),
        v=torch.tensor([[[10.0], [20.0]]]),
        scaling=0.5,
        mask=Mask.full(2, 2),
    )
    heads, rows = torch.tensor([0]), torch.arange(2)
    assert one.dot_products(heads, rows)[0].tolist() == [[1.0, 3.0], [2.0, 0.0]]
    assert one.scores(heads, rows)[0].tolist() == [[0.5, 1.5], [1.0, 0.0]]
    third = 1 / (1 + math.e)  # 1.5 - 0.5 = 1 and 0 - 1 = -1
    torch.testing.assert_close(one.attention(heads, rows)[0], torch.tensor([[third, 1 - third], [1 - third, third]]))
    torch.testing.assert_close(one.output(heads, rows)[0, 0, 0], torch.tensor(20 - 10 * third))


def test_a_query_without_any_key_has_a_row_of_zeros() -> None:
    allowed = torch.ones(1, 6, 6, dtype=torch.bool).tril()
    allowed[:, :, :2] = False
    one = record(mask=Mask.fit(allowed))
    weights = one.attention(torch.arange(4), torch.arange(6))
    assert float(weights[:, :2].abs().max()) == 0.0
    torch.testing.assert_close(weights[:, 2:].sum(-1), torch.ones(4, 4))


def test_rows_are_the_same_computed_alone_and_together() -> None:
    one = record(queries=300, keys=300)
    whole = one.attention(torch.arange(4), torch.arange(300))
    torch.testing.assert_close(one.attention(torch.tensor([2]), torch.tensor([299, 5]))[0], whole[2, [299, 5]])
    tiles = torch.cat([weights for _, weights in one.tiles(torch.arange(4))], dim=1)
    torch.testing.assert_close(tiles, whole)
