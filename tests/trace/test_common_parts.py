"""The common parts of two sequences: against all subsequences, and in reasonable time for any input."""

from __future__ import annotations

import random
import time
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise

import pytest

from attnscope.trace.common_parts import common_items, gaps, longest_common_subsequence

pytestmark = pytest.mark.core


def longest(left: str, right: str) -> int:
    """The length of a longest common subsequence, by its definition."""

    @cache
    def of(one: int, other: int) -> int:
        if one == len(left) or other == len(right):
            return 0
        if left[one] == right[other]:
            return 1 + of(one + 1, other + 1)
        return max(of(one + 1, other), of(one, other + 1))

    return of(0, 0)


@pytest.mark.parametrize("seed", range(200))
def test_a_longest_common_subsequence_has_the_length_of_the_definition(seed: int) -> None:
    draw = random.Random(seed)
    left, right = ("".join(draw.choices("abc"[: 1 + seed % 3], k=draw.randrange(40))) for _ in range(2))
    found = longest_common_subsequence(left, right)
    assert len(found) == longest(left, right)
    assert all(left[one] == right[other] for one, other in found)
    assert all(one < two and other < last for (one, other), (two, last) in pairwise(found))


def test_short_sequences_have_the_parts_of_difflib() -> None:
    left, right = list("the cat on the mat"), list("on the mat the cat")
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    assert common_items(left, right) == [(b.a + at, b.b + at) for b in blocks for at in range(b.size)]


def test_gaps_are_what_lies_between() -> None:
    assert list(gaps([(1, 0), (2, 1), (4, 5)], (6, 6))) == [
        (range(1), range(0)),
        (range(3, 4), range(2, 5)),
        (range(5, 6), range(6, 6)),
    ]
    assert list(gaps([(0, 0)], (1, 1))) == []


@pytest.mark.parametrize("period", [(2, 3), (1, 1), (7, 5)])
def test_long_repetitive_sequences_take_seconds_at_most(period: tuple[int, int]) -> None:
    left, right = ([at % size for at in range(4096)] for size in period)
    start = time.monotonic()
    assert len(common_items([-1, *left, -2], [-3, *right, -4])) > 1000
    assert time.monotonic() - start < 20
