"""Fitted masks are exact, take a few bytes per token, and have the usual names."""

from __future__ import annotations

import pytest
import torch

from attnscope.attention import Mask

pytestmark = pytest.mark.core

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
    "all masked": square(4, 4, lambda i, j: False),
    "one row": square(1, 5, lambda i, j: j < 3),
    "a hole": square(7, 7, lambda i, j: j <= i and (i + j) % 3 != 1),
}
INTERVALS = [name for name in MASKS if name != "a hole"]


@pytest.mark.parametrize("name", MASKS)
def test_a_fitted_mask_reproduces_every_entry(name: str) -> None:
    mask = Mask.fit(MASKS[name][None])
    assert torch.equal(mask.allowed(torch.arange(len(MASKS[name])))[0], MASKS[name])
    assert torch.equal(mask.has_keys(torch.arange(len(MASKS[name]))), MASKS[name].any(1))


@pytest.mark.parametrize("name", INTERVALS)
def test_the_usual_masks_are_stored_as_intervals(name: str) -> None:
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
def test_masks_have_the_usual_names(name: str, kind: str, window: int | None) -> None:
    mask = Mask.fit(MASKS[name][None])
    assert (mask.kind, mask.window) == (kind, window)


def test_random_masks_that_differ_by_head_survive_packing() -> None:
    allowed = torch.rand(3, 11, 21, generator=GENERATOR) > 0.4
    mask = Mask.fit(allowed)
    rows = torch.tensor([10, 0, 3])
    assert torch.equal(mask.allowed(rows), allowed[:, rows])


def test_a_long_causal_mask_takes_a_few_bytes_per_token() -> None:
    mask = Mask.fit(torch.ones(1, 1500, 1500, dtype=torch.bool).tril())
    assert mask.kind == "causal"
    assert mask.nbytes <= 8 * 1500
