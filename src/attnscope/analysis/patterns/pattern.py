"""`Pattern`: a relation between tokens that the attention of a head may follow, and `Related`: its pairs in one text."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace.words import Span

Direction = Literal["backward", "forward", "both"]
"""Where the keys are: before the query, after it, or on both sides."""

DIRECTIONS: tuple[Direction, ...] = ("backward", "forward", "both")

_MOST_PAIRS = 10_000_000


@dataclass(frozen=True, eq=False)
class Related:
    """The pairs of query and key tokens that a pattern relates in one text, each once.

    Tokens with the same number in `query_words` are pieces of one word, and likewise for keys: where attention of words is
    compared, it is summed over the pieces of the key and averaged over the pieces of the query (Clark 2019).
    """

    queries: Int[Tensor, "pairs"]
    keys: Int[Tensor, "pairs"]
    query_words: Int[Tensor, "queries"]
    key_words: Int[Tensor, "keys"]

    @classmethod
    def of(cls, groups: TokenGroups, queries: Tensor, keys: Tensor) -> Related:
        """Pairs of single tokens."""
        return cls.of_words(groups, queries, keys, (), ())

    @classmethod
    def of_spans(cls, groups: TokenGroups, pairs: Iterable[tuple[Span, Span]], words: Sequence[Span]) -> Related:
        """Pairs of spans: every token of the one with every token of the other. `words` are the spans of several tokens."""
        listed = {(query, key) for one, other in pairs for query in one for key in other}
        cells = torch.tensor(sorted(listed), dtype=torch.long).reshape(-1, 2)
        return cls.of_words(groups, cells[:, 0], cells[:, 1], words, words if groups.aligned else ())

    @classmethod
    def of_words(
        cls, groups: TokenGroups, queries: Tensor, keys: Tensor, query_words: Sequence[Span], key_words: Sequence[Span]
    ) -> Related:
        """Pairs of tokens, and the spans that are words. Raises `InputError` for too many pairs to compare."""
        if len(queries) > _MOST_PAIRS:
            raise InputError(
                f"The pattern relates {len(queries):,} pairs of tokens of this text; at most {_MOST_PAIRS:,} can be compared. "
                "Use a shorter text."
            )
        return cls(queries, keys, _word_numbers(groups.queries, query_words), _word_numbers(groups.keys, key_words))


class Pattern(ABC):
    """A relation between query and key tokens that a head may follow. Make one with the functions of `analysis.patterns`.

    Two patterns are equal if they relate the same tokens in every text; see `as_json`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The pattern in a few words ("previous token")."""

    @abstractmethod
    def related(self, groups: TokenGroups) -> Related:
        """The pairs of tokens that the pattern relates in a text.

        Raises `InputError` if the pattern cannot be applied to this text.

        :meta private:
        """

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The pattern as JSON values, for provenance; functions, arrays and annotated texts are given by their hash."""

    def __repr__(self) -> str:
        return f"<Pattern: {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash(json.dumps(self.as_json(), sort_keys=True))


def check_direction(direction: object) -> None:
    """Raise `InputError` for anything that isn't a `Direction`."""
    if not isinstance(direction, str) or direction not in DIRECTIONS:
        raise InputError(f"`direction` must be 'backward', 'forward' or 'both'; got {direction!r:.80}.")


def in_direction(pairs: Iterable[tuple[Span, Span]], direction: Direction) -> list[tuple[Span, Span]]:
    """Pairs (later, earlier) as pairs (query, key)."""
    listed = list(pairs)
    forward = [(earlier, later) for later, earlier in listed]
    return {"backward": listed, "forward": forward, "both": [*listed, *forward]}[direction]


def require_one_text(groups: TokenGroups, name: str) -> None:
    """Raise `InputError` unless queries and keys are the tokens of one text."""
    if not groups.aligned:
        raise InputError(
            f"The pattern {name!r} needs queries and keys of the same text, and in this stack they belong to different ones."
        )


def digest(content: bytes | str) -> str:
    """A content hash, 32 hex digits."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:32]


def _word_numbers(count: int, words: Sequence[Span]) -> Int[Tensor, "tokens"]:
    """The number of each token's word, in the order of the text. Overlapping spans are one word."""
    root = list(range(count))

    def top(token: int) -> int:
        while root[token] != token:
            root[token] = root[root[token]]
            token = root[token]
        return token

    for span in words:
        for token in span[1:]:
            one, other = sorted((top(span[0]), top(token)))
            root[other] = one
    numbers: dict[int, int] = {}
    return torch.tensor([numbers.setdefault(top(token), len(numbers)) for token in range(count)], dtype=torch.long)
