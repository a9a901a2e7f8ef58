"""The mathematics on small cases: by hand, by brute force, and against the definitions."""

from __future__ import annotations

import math

import pytest
import torch

from attnscope.attention import Bias, Mask, QKRecord

GENERATOR = torch.Generator().manual_seed(3)


def square(queries: int, keys: int, rule) -> torch.Tensor:
    return torch.tensor([[bool(rule(i, j)) for j in range(keys)] for i in range(queries)])


MASKS = {
    "full": square(7, 7, lambda i, j: True),
    "causal": square(7, 7, lambda i, j: j <= i),
    "causal after a cache": square(3, 7, lambda i, j: j <= i + 4),
    "window": square(9, 9, lambda i, j: i - 3 < j <= i),
    "window on both sides": square(9, 9, lambda i, j: abs(i - j) <= 2),
    "chunks": square(9, 9, lambda i, j: j <= i and i // 3 == j // 3),
    "packed": square(9, 9, lambda i, j: (i < 4) == (j < 4)),
    "padding left": square(7, 7, lambda i, j: j <= i and j >= 2),
    "padding right": square(7, 7, lambda i, j: j < 5),
    "padding left, window": square(9, 9, lambda i, j: i - 3 < j <= i and j >= 2),
    "prefix": square(7, 7, lambda i, j: j <= i or j < 3),
    "nobody": square(4, 4, lambda i, j: False),
    "one row": square(1, 5, lambda i, j: j < 3),
    "a hole": square(7, 7, lambda i, j: j <= i and (i + j) % 3 != 1),
}
INTERVALS = [name for name in MASKS if name != "a hole"]


@pytest.mark.parametrize("name", MASKS)
def test_a_fitted_mask_says_bit_for_bit_what_it_was_fitted_to(name: str) -> None:
    mask = Mask.fit(MASKS[name][None])
    assert torch.equal(mask.allowed(torch.arange(len(MASKS[name])))[0], MASKS[name])
    assert torch.equal(mask.has_keys(torch.arange(len(MASKS[name]))), MASKS[name].any(1))


@pytest.mark.parametrize("name", INTERVALS)
def test_the_usual_masks_are_kept_as_intervals(name: str) -> None:
    assert Mask.fit(MASKS[name][None]).bits is None


@pytest.mark.parametrize(
    ("name", "kind", "window"),
    [
        ("full", "full", None),
        ("causal", "causal", None),
        ("causal after a cache", "causal", None),
        ("window", "window", 3),
        ("window on both sides", "window", 2),
        ("padding left", "causal", None),
        ("padding right", "full", None),
        ("chunks", "interval", None),
        ("a hole", "dense", None),
    ],
)
def test_a_mask_is_called_what_people_call_it(name: str, kind: str, window: int | None) -> None:
    mask = Mask.fit(MASKS[name][None])
    assert (mask.kind, mask.window) == (kind, window)


def test_random_masks_that_differ_by_head_survive_packing() -> None:
    allowed = torch.rand(3, 11, 21, generator=GENERATOR) > 0.4
    mask = Mask.fit(allowed)
    rows = torch.tensor([10, 0, 3])
    assert torch.equal(mask.allowed(rows), allowed[:, rows])


def test_a_long_causal_mask_is_fitted_in_some_bytes_a_token() -> None:
    mask = Mask.fit(torch.ones(1, 1500, 1500, dtype=torch.bool).tril())
    assert mask.kind == "causal"
    assert mask.nbytes <= 8 * 1500


@pytest.mark.parametrize(("kind", "shape"), [("relative", (4, 9)), ("key", (4, 5)), ("dense", (4, 5, 5))])
def test_a_bias_is_kept_in_its_smallest_form_and_gives_every_row_back(kind: str, shape: tuple[int, ...]) -> None:
    values = torch.randn(*shape, generator=GENERATOR)
    if kind == "relative":
        full = torch.stack([torch.stack([values[:, j - i + 4] for j in range(5)], 1) for i in range(5)], 1)
    elif kind == "key":
        full = values[:, None].expand(4, 5, 5)
    else:
        full = values
    bias = Bias.fit(full)
    assert bias is not None and bias.kind == kind
    rows = torch.tensor([4, 1])
    assert torch.equal(bias.rows(rows), full[:, rows])


def test_a_bias_of_zeros_is_no_bias() -> None:
    assert Bias.fit(torch.zeros(2, 3, 3)) is None


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


def test_rows_are_the_same_alone_and_together() -> None:
    one = record(queries=300, keys=300)
    whole = one.attention(torch.arange(4), torch.arange(300))
    torch.testing.assert_close(one.attention(torch.tensor([2]), torch.tensor([299, 5]))[0], whole[2, [299, 5]])
    tiles = torch.cat([weights for _, weights in one.tiles(torch.arange(4))], dim=1)
    torch.testing.assert_close(tiles, whole)
