"""Merged masks and biases of decoding steps equal those of one pass, whatever the form of each step's."""

from __future__ import annotations

import pytest
import torch

from attnscope.attention import Bias, Mask
from attnscope.attention.concat import Part, joined_bias, joined_mask

pytestmark = pytest.mark.core

PROMPT, ALL = 5, 9


def steps(allowed: torch.Tensor, bias: torch.Tensor | None = None, window: int = ALL) -> list[Part]:
    """Split a mask and a bias into decoding steps with a cache of the last `window` keys."""
    ends = [(0, PROMPT), *((i, i + 1) for i in range(PROMPT, ALL))]
    parts: list[Part] = []
    for start, end in ends:
        key = 0 if start == 0 else max(0, end - window)
        piece = None if bias is None else Bias.fit(bias[:, start:end, key:end])
        parts.append(Part(start, key, Mask.fit(allowed[:, start:end, key:end]), piece))
    return parts


CAUSAL = torch.ones(ALL, ALL, dtype=torch.bool).tril()[None]
WINDOW = CAUSAL & ~torch.ones(ALL, ALL, dtype=torch.bool).tril(-3)[None]
PADDED = CAUSAL & (torch.arange(ALL) >= 2)
BY_HEAD = torch.stack([CAUSAL[0], WINDOW[0]])


@pytest.mark.parametrize(
    ("allowed", "window", "kind"),
    [
        (CAUSAL, ALL, "causal"),
        (WINDOW, 3, "window"),
        (WINDOW, ALL, "window"),
        (PADDED, ALL, "causal"),
        (BY_HEAD, ALL, "dense"),
    ],
)
def test_merged_masks_equal_the_mask_of_one_pass(allowed: torch.Tensor, window: int, kind: str) -> None:
    mask = joined_mask(steps(allowed, window=window), ALL)
    assert torch.equal(mask.allowed(torch.arange(ALL)).expand_as(allowed), allowed)
    assert mask.kind == kind


def test_a_relative_bias_stays_relative() -> None:
    by_distance = torch.randn(2, 2 * ALL - 1, generator=torch.Generator().manual_seed(0))
    whole = Bias("relative", by_distance, ALL, ALL).rows(torch.arange(ALL))
    bias = joined_bias(steps(CAUSAL, whole), ALL)
    assert bias is not None
    assert bias.kind == "relative"
    assert torch.equal(bias.rows(torch.arange(ALL)).where(CAUSAL, 0), whole.where(CAUSAL, 0))


def test_a_bias_of_any_form_is_reproduced() -> None:
    whole = torch.randn(2, ALL, ALL, generator=torch.Generator().manual_seed(0)).where(CAUSAL, 0)
    bias = joined_bias(steps(CAUSAL, whole), ALL)
    assert bias is not None
    assert torch.equal(bias.rows(torch.arange(ALL)), whole)
    assert joined_bias(steps(CAUSAL), ALL) is None
