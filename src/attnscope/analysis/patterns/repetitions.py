"""Patterns of words that occur again: the same word, the token after it, and the same word on the other side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch

from attnscope.analysis.patterns.pattern import (
    Direction,
    Pattern,
    Related,
    check_direction,
    in_direction,
    require_one_text,
)
from attnscope.analysis.patterns.token_text import Word, words_of
from attnscope.analysis.repeated_tokens import Repeats
from attnscope.analysis.token_groups import TokenGroups
from attnscope.trace.words import Span

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False, repr=False)
class _SameWord(Pattern):
    """Other occurrences of the query's word."""

    direction: Direction

    @property
    def name(self) -> str:
        return "same word"

    def related(self, groups: TokenGroups) -> Related:
        words = words_of(groups.query_tokens)
        if not groups.aligned:
            others = words_of(groups.key_tokens)
            pairs = list(same_words(words, others))
            return between_texts(groups, pairs, words, others)
        found = ((later, earlier) for one in _by_text(words).values() for earlier, later in combinations(one, 2))
        return Related.of_spans(groups, in_direction(found, self.direction), [word.tokens for word in words])

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "same word", "direction": self.direction}


@dataclass(frozen=True, eq=False, repr=False)
class _Induction(Pattern):
    """The token after an earlier occurrence of the query's token."""

    @property
    def name(self) -> str:
        return "induction"

    def related(self, groups: TokenGroups) -> Related:
        require_one_text(groups, self.name)
        repeats, none = Repeats(groups), torch.zeros(0, dtype=torch.long)
        queries, keys = [none], [none]
        for start in range(0, groups.queries if repeats.any else 0, _ROWS_AT_ONCE):
            followers, _ = repeats.of(torch.arange(start, min(start + _ROWS_AT_ONCE, groups.queries)))
            queries.append(followers.places + start)
            keys.append(followers.keys)
        return Related.of(groups, torch.cat(queries), torch.cat(keys))

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "induction"}


def same_word(direction: Direction = "backward") -> Pattern:
    """Other occurrences of the query's word, whatever its case: "backward" (earlier ones), "forward" or "both".

    A word that the tokenizer splits counts as one word; punctuation and special tokens are no words. In cross-attention, the keys
    are all occurrences of the word in the other text. Raises `InputError` for an unknown direction.
    """
    check_direction(direction)
    return _SameWord(direction)


def induction() -> Pattern:
    """The tokens after earlier occurrences of the query's token (Olsson 2022). Special tokens never count as repeated."""
    return _Induction()


def same_words(queries: Sequence[Word], keys: Sequence[Word]) -> Iterator[tuple[Span, Span]]:
    """The pairs of equal words of two texts, whatever their case."""
    others = _by_text(keys)
    for word in queries:
        for key in others.get(word.text.lower(), ()):
            yield word.tokens, key


def between_texts(
    groups: TokenGroups, pairs: Sequence[tuple[Span, Span]], queries: Sequence[Word], keys: Sequence[Word]
) -> Related:
    """Pairs of words of two texts."""
    cells = torch.tensor(
        sorted({(i, j) for one, other in pairs for i in one for j in other}), dtype=torch.long
    ).reshape(-1, 2)
    return Related.of_words(
        groups, cells[:, 0], cells[:, 1], [word.tokens for word in queries], [word.tokens for word in keys]
    )


def _by_text(words: Sequence[Word]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = defaultdict(list)
    for word in words:
        found[word.text.lower()].append(word.tokens)
    return found
