"""The common parts of two sequences, in a time that does not explode for repetitive ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher

_EQUAL_PAIRS = 50_000
"""Up to this many pairs of equal items, `SequenceMatcher` is fast whatever their order: its worst case is cubic."""

Gap = tuple[range, range]


def common_items(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The indices of items that correspond, ascending in both sequences.

    Takes the longest common run, then the longest on either side of it, and so on (Ratcliff & Metzener 1988). For long and
    repetitive sequences, where that could take hours, a longest common subsequence instead.
    """
    counts, others = Counter(left), Counter(right)
    if sum(count * others[item] for item, count in counts.items()) > _EQUAL_PAIRS:
        return longest_common_subsequence(left, right)
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    return [(one.a + at, one.b + at) for one in blocks for at in range(one.size)]


def gaps(pairs: Sequence[tuple[int, int]], sizes: tuple[int, int]) -> Iterator[Gap]:
    """The items between corresponding ones, in both sequences, wherever there are some in either."""
    before = (-1, -1)
    for pair in (*pairs, sizes):
        one, other = (range(start + 1, end) for start, end in zip(before, pair, strict=True))
        if one or other:
            yield one, other
        before = pair


def longest_common_subsequence(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The indices of the items of a longest common subsequence.

    Computes a column of the table at a time, with one bit per item of `left` (Hyyrö 2004): a bit is 0 where the subsequence of
    the items up to it is longer than that of the items before it.
    """
    places: dict[Hashable, int] = {}
    for at, item in enumerate(left):
        places[item] = places.get(item, 0) | 1 << at
    every = (1 << len(left)) - 1
    column, columns = every, list[int]()
    for item in right:
        reached = column & places.get(item, 0)
        column = ((column + reached) | (column - reached)) & every
        columns.append(column)
    found: list[tuple[int, int]] = []
    at, to = len(left) - 1, len(right) - 1
    while at >= 0 and to >= 0:
        if left[at] == right[to]:
            found.append((at, to))
            at, to = at - 1, to - 1
        elif columns[to] >> at & 1:
            at -= 1
        else:
            to -= 1
    return found[::-1]
