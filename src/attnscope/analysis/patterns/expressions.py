"""Patterns given by regular expressions for the text of the query and the text of the key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.analysis.patterns.pattern import Direction, Pattern, Related, check_direction
from attnscope.analysis.patterns.token_text import Written
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace.words import Span
from attnscope.types import Token


@dataclass(frozen=True, eq=False, repr=False)
class _Expressions(Pattern):
    """Every match of an expression for the query, with matches of an expression for the key."""

    query: str
    key: str
    which: str
    direction: Direction

    @property
    def name(self) -> str:
        return f"regex {self.query} → {self.key}"

    def related(self, groups: TokenGroups) -> Related:
        queries, keys = _matches(self.query, groups.query_tokens), _matches(self.key, groups.key_tokens)
        found: list[tuple[Span, Span]] = []
        for query in queries:
            earlier = [key for key in keys if key[-1] < query[0]]
            later = [key for key in keys if key[0] > query[-1]]
            if not groups.aligned:
                found += [(query, key) for key in keys]
                continue
            if self.which == "nearest":
                earlier, later = earlier[-1:], later[:1]
            found += [(query, key) for key in (earlier if self.direction != "forward" else [])]
            found += [(query, key) for key in (later if self.direction != "backward" else [])]
        alone = Related.of_spans(groups, found, ())
        return Related.of_words(groups, alone.queries, alone.keys, queries, keys)

    def as_json(self) -> dict[str, Any]:
        return {
            "pattern": "regex",
            "query": self.query,
            "key": self.key,
            "which": self.which,
            "direction": self.direction,
        }


def regex(query: str, key: str, *, which: str = "nearest", direction: Direction = "backward") -> Pattern:
    """From every match of one regular expression to matches of another one in the text.

    `which` is "nearest" (the nearest earlier match of `key`) or "all" (all earlier ones); `direction` "forward" takes later
    matches instead, and "both" takes both. Matches that share a token aren't related. In cross-attention, all matches in the
    other text are keys.

    The expressions (Python's `re`) are searched in the text as a person reads it: one space between words, a line break after a
    special token, the next sentence of a pair or the next message of a chat. Where the tokenizer doesn't keep spaces (WordPiece),
    there is one before every word and none before punctuation. If an expression has a group, its first group is the match and
    the rest is context: `regex(r"\\bif (\\w+)", r"\\bthen (\\w+)", direction="forward")`.

    Raises `InputError` for an expression that `re` can't compile, or an unknown `which` or direction.
    """
    check_direction(direction)
    if not isinstance(which, str) or which not in ("nearest", "all"):
        raise InputError(f"`which` must be 'nearest' or 'all'; got {which!r:.80}.")
    for name, expression in (("query", query), ("key", key)):
        if not isinstance(expression, str) or not expression:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"`{name}` is a regular expression; got {expression!r:.80}.")
        try:
            re.compile(expression)
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError(f"`{name}` is no regular expression: {error}, in {expression!r:.80}.") from error
    return _Expressions(query, key, which, direction)


def _matches(expression: str, tokens: Sequence[Token]) -> list[Span]:
    """The tokens of every match, in the order of the text."""
    written = Written.of(tokens)
    found: list[Span] = []
    for match in re.finditer(expression, written.text):
        start, end = match.span(1 if match.re.groups else 0)
        span = written.tokens(start, end) if start >= 0 else ()
        if span and span not in found[-1:]:
            found.append(span)
    return sorted(found)
