"""The rows of an attention matrix that count for a pattern under one mask, in blocks of whole words; and the shuffled control.

Blocks are the same for all heads and layers that share a mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnscope.analysis.patterns import Related
from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention import Mask

_ROWS_AT_ONCE = 128
_CELLS_KEPT = 20_000_000


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Keys drawn at random among the allowed keys of each row, as many as the pattern has there.

    `pairs` holds (places, keys) for each draw. In rows `outside`, the pattern has most of the allowed keys, and the pairs are the
    keys that were not drawn.
    """

    pairs: list[tuple[Tensor, Tensor]]
    outside: Bool[Tensor, "rows"]


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Some rows. Places are indices of rows in the block; words of queries are numbered within the block.

    Attributes:
        rows: The query rows.
        places, keys: The pairs of the pattern that count.
        allowed: The keys that count for each row.
        shuffled: The control.
        row_word: The word of each row.
        words: The number of words.
        key_words: The word of each key; None if all words have one token.
        row_allowed: The words of keys that count for each row.
        word_allowed: The words of keys that count for each word.
        word_pattern: Those that the pattern relates it to.
        at_key: Where the word of each row stands among the words of the keys.
        word_at_key: The same for each word.
    """

    rows: Int[Tensor, "rows"]
    places: Int[Tensor, "pairs"]
    keys: Int[Tensor, "pairs"]
    allowed: Bool[Tensor, "rows keys"]
    shuffled: Shuffled
    row_word: Int[Tensor, "rows"]
    words: int
    key_words: Int[Tensor, "keys"] | None
    row_allowed: Bool[Tensor, "rows key_words"]
    word_allowed: Bool[Tensor, "words key_words"]
    word_pattern: Bool[Tensor, "words key_words"]
    at_key: Int[Tensor, "rows"]
    word_at_key: Int[Tensor, "words"]


class RowBlocks:
    """The rows that count for a pattern under a mask that all heads share. Iterate over it to get its blocks."""

    def __init__(
        self, groups: TokenGroups, related: Related, mask: Mask, *, off_sink: bool, draws: int, seed: int
    ) -> None:
        self._related = related
        self._mask = mask
        self._keys = ~groups.padding & ~groups.is_sink if off_sink else ~groups.padding
        self._draws = draws
        self._seed = seed
        self._aligned = groups.aligned
        queries, keys = related.queries, related.keys
        counts = groups.counted[queries] & self._keys[keys] & mask.allows(queries, keys)[0]
        order = related.query_words[queries[counts]] * groups.queries + queries[counts]
        order = order.argsort(stable=True)
        self._queries, self._pair_keys = queries[counts][order], keys[counts][order]
        self._whole = _numbered(related.key_words)
        self._kept: dict[int, RowBlock] = {}

    def __iter__(self) -> Iterator[RowBlock]:
        cells = len(self._queries.unique()) * len(self._keys) + len(self._queries) * self._draws
        keep = cells <= _CELLS_KEPT
        for number, (start, end) in enumerate(self._ends):
            block = self._kept.get(number)
            if block is None:
                block = self._block(number, start, end)
                if keep:
                    self._kept[number] = block
            yield block

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        """The pairs of each block: (start, end). A word is never divided."""
        words = self._related.query_words[self._queries]
        if not len(words):
            return []
        rows = (self._queries.diff() != 0).cumsum(0)
        rows = torch.cat([torch.zeros(1, dtype=torch.long), rows])
        starts = [0, *((words.diff() != 0).nonzero()[:, 0] + 1).tolist(), len(words)]
        ends = [0]
        for start, end in pairwise(starts[1:]):
            if int(rows[end - 1]) - int(rows[ends[-1]]) >= _ROWS_AT_ONCE:
                ends.append(start)
        return list(zip(ends, [*ends[1:], len(words)], strict=True))

    def _block(self, number: int, start: int, end: int) -> RowBlock:
        queries, keys = self._queries[start:end], self._pair_keys[start:end]
        rows, places = queries.unique_consecutive(return_inverse=True)
        allowed = self._mask.allowed(rows)[0] & self._keys
        own, row_word = self._related.query_words[rows].unique_consecutive(return_inverse=True)
        key_words = None if self._whole else self._related.key_words
        row_allowed = allowed if key_words is None else _any(allowed, key_words, 1)
        pattern = torch.zeros_like(row_allowed)
        pattern[places, self._related.key_words[keys]] = True
        whole = len(own) == len(rows)
        # In a text of its own, a word of the query stands where its first token stands among the words of the keys.
        at = torch.zeros(len(rows), dtype=torch.long)
        if self._aligned:
            firsts = torch.full((int(self._related.query_words.max()) + 1,), len(self._keys), dtype=torch.long)
            firsts.scatter_reduce_(0, self._related.query_words, torch.arange(len(self._related.query_words)), "amin")
            at = self._related.key_words[firsts[self._related.query_words[rows]]]
        word_at = torch.zeros(len(own), dtype=torch.long)
        word_at[row_word] = at
        return RowBlock(
            rows=rows,
            places=places,
            keys=keys,
            allowed=allowed,
            shuffled=self._shuffled(places, allowed, number),
            row_word=row_word,
            words=len(own),
            key_words=key_words,
            row_allowed=row_allowed,
            word_allowed=row_allowed if whole else _any(row_allowed, row_word, 0),
            word_pattern=pattern if whole else _any(pattern, row_word, 0),
            at_key=at,
            word_at_key=word_at,
        )

    def _shuffled(self, places: Tensor, allowed: Bool[Tensor, "rows keys"], number: int) -> Shuffled:
        """As many keys of every row as it has pairs, drawn without replacement. The same for each block, whoever asks."""
        sizes, wanted = allowed.sum(-1), torch.bincount(places, minlength=len(allowed))
        outside = wanted * 2 > sizes
        counts = torch.where(outside, sizes - wanted, wanted)
        open_keys = allowed.nonzero()[:, 1]
        starts = sizes.cumsum(0) - sizes
        random = torch.Generator().manual_seed((self._seed * 1_000_003 + number) % 2**63)
        of_row = torch.arange(len(allowed)).repeat_interleave(counts)
        pairs: list[tuple[Tensor, Tensor]] = []
        for _ in range(self._draws):
            drawn = drawn_without_replacement(of_row, sizes, random)
            pairs.append((of_row, open_keys[starts[of_row] + drawn]))
        return Shuffled(pairs, outside)


def drawn_without_replacement(
    of_row: Int[Tensor, "draws"], sizes: Int[Tensor, "rows"], random: torch.Generator
) -> Int[Tensor, "draws"]:
    """A number from 0 to `sizes[row] - 1` for each entry of `of_row` (ascending), different ones within a row."""
    size = sizes[of_row]
    drawn = torch.zeros_like(of_row)
    again = torch.ones_like(of_row, dtype=torch.bool)
    while bool(again.any()):
        values = (torch.rand(int(again.sum()), generator=random, dtype=torch.float64) * size[again]).long()
        drawn[again] = torch.minimum(values, size[again] - 1)
        cells = of_row * (int(sizes.max()) + 1) + drawn
        order = torch.argsort(cells * 2 + again.int(), stable=True)  # those kept before those drawn just now
        repeated = torch.zeros_like(again)
        repeated[order[1:]] = cells[order].diff() == 0
        again = repeated
    return drawn


def _any(values: Bool[Tensor, "rows keys"], numbers: Tensor, axis: int) -> Tensor:
    """Whether any value with a number is True, along an axis."""
    shape = list(values.shape)
    shape[axis] = int(numbers.max()) + 1
    return torch.zeros(shape, dtype=torch.int32).index_add_(axis, numbers, values.int()) > 0


def _numbered(words: Int[Tensor, "tokens"]) -> bool:
    """Whether every token is a word."""
    return torch.equal(words, torch.arange(len(words)))
