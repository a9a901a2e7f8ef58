"""The pattern of enumerations: from an item of "a, b and c" to the item before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from attnscope.analysis.patterns.pattern import (
    Direction,
    Pattern,
    Related,
    check_direction,
    in_direction,
    require_one_text,
)
from attnscope.analysis.patterns.token_text import parts_of, visible
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace.words import Char, Span, is_word_character
from attnscope.types import Token

_ENDS = ".!?;:"
_LONGEST = 4
_FEWEST = 3


@dataclass(frozen=True)
class _Word:
    """A word or punctuation mark, and its tokens."""

    text: str
    tokens: Span
    is_word: bool


@dataclass(frozen=True)
class _Enumeration:
    """The items of an enumeration, each by one word, and the separator before each but the first."""

    items: tuple[Span, ...]
    separators: tuple[Span, ...]


@dataclass(frozen=True, eq=False, repr=False)
class _NextItem(Pattern):
    """The item before or after the query's item."""

    separator: str
    conjunctions: tuple[str, ...]
    query: str
    direction: Direction

    @property
    def name(self) -> str:
        return "next item"

    def related(self, groups: TokenGroups) -> Related:
        require_one_text(groups, self.name)
        found: list[tuple[Span, Span]] = []
        words: list[Span] = []
        for one in enumerations(groups.query_tokens, self.separator, self.conjunctions):
            words += one.items
            if self.query == "item":
                found += in_direction([(later, earlier) for earlier, later in pairwise(one.items)], self.direction)
                continue
            for (earlier, later), separator in zip(pairwise(one.items), one.separators, strict=True):
                found += [(separator, earlier)] if self.direction != "forward" else []
                found += [(separator, later)] if self.direction != "backward" else []
        return Related.of_spans(groups, found, words)

    def as_json(self) -> dict[str, Any]:
        return {
            "pattern": "next item",
            "separator": self.separator,
            "conjunctions": list(self.conjunctions),
            "query": self.query,
            "direction": self.direction,
        }


def next_item(
    separator: str = ",",
    *,
    conjunctions: Sequence[str] = ("and", "or"),
    query: str = "item",
    direction: Direction = "backward",
) -> Pattern:
    """From an item of an enumeration ("a, b and c") to the item before it (Vig 2019, figure 3).

    An enumeration has at least three items and ends with its sentence. A separator stands between its items; before the last
    item, a conjunction is enough. Each item is represented by its first word, but the first item by its last word, as it is
    unknown where it begins ("We bought *apples*, *red* pears and *plums* there"). Items between two separators have at most four
    words. A separator between two digits (1,000) is none. Commas between clauses can look like an enumeration.

    With `query="item"`, the word of an item attends to the word of the item before it ("backward", what a causal stack allows),
    of the item after it ("forward"), or of both. With `query="separator"`, the separator, from which a causal model predicts the
    next item, attends to the item before it, after it, or both.

    Raises `InputError` if `separator` isn't a single punctuation mark, or for an unknown query or direction.
    """
    check_direction(direction)
    if not isinstance(separator, str) or len(separator) != 1 or separator.isspace() or is_word_character(separator):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`separator` is a single punctuation mark, such as ',' or '|'; got {separator!r:.80}.")
    if not isinstance(query, str) or query not in ("item", "separator"):
        raise InputError(f"`query` must be 'item' or 'separator'; got {query!r:.80}.")
    if not isinstance(conjunctions, (list, tuple)) or not all(isinstance(one, str) for one in conjunctions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`conjunctions` is a list of words; got {conjunctions!r:.80}.")
    return _NextItem(separator, tuple(one.lower() for one in conjunctions), query, direction)


def enumerations(tokens: Sequence[Token], separator: str, conjunctions: Sequence[str]) -> Iterator[_Enumeration]:
    """The enumerations of a text."""
    parts, ends = parts_of(tokens), set(_ENDS) - {separator}
    numbered: list[tuple[int, _Word]] = []
    sentence = 0
    for word in _words(tokens):
        place = parts[word.tokens[0]]
        if numbered and place != parts[numbered[-1][1].tokens[0]]:
            sentence += 1
        if word.text in ends:
            sentence += 1
        else:
            numbered.append((sentence, word))
    for _, run in groupby(numbered, key=lambda one: one[0]):
        yield from _of_sentence([word for _, word in run], separator, conjunctions)


def _of_sentence(words: Sequence[_Word], separator: str, conjunctions: Sequence[str]) -> Iterator[_Enumeration]:
    """The enumerations of one sentence."""
    chunks: list[list[_Word]] = [[]]
    before: list[Span] = [()]  # the separator before each chunk
    for word in words:
        if word.text == separator:
            chunks.append([])
            before.append(word.tokens)
        elif word.text.lower() in conjunctions and not chunks[-1]:
            before[-1] = word.tokens
        elif word.is_word:
            chunks[-1].append(word)
    full = [at for at, chunk in enumerate(chunks) if chunk]
    chunks, before = [chunks[at] for at in full], [before[at] for at in full]
    inner = [at for at in range(1, len(chunks) - 1) if len(chunks[at]) > _LONGEST]
    for first, last in pairwise([0, *inner, len(chunks) - 1] if len(chunks) > 1 else [0]):
        run, marks = chunks[first : last + 1], before[first + 1 : last + 1]
        at = next((at for at, word in enumerate(run[-1]) if word.text.lower() in conjunctions), 0)
        if 0 < at <= _LONGEST and at + 1 < len(run[-1]):  # "b and c", without a separator
            marks.append(run[-1][at].tokens)
            run[-1:] = [run[-1][:at], run[-1][at + 1 :]]
        if len(run) >= _FEWEST:
            items = [run[0][-1].tokens, *(chunk[0].tokens for chunk in run[1:])]
            yield _Enumeration(tuple(items), tuple(marks))


def _words(tokens: Sequence[Token]) -> Iterator[_Word]:
    """The words and punctuation marks of a text. Marks within numbers belong to the number."""
    runs: list[list[Char]] = []
    chars = visible(tokens)
    for at, one in enumerate(chars):
        if runs and (one.joined or _in_number(chars, at)):
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        places = {token for one in run for token in range(one.first, one.last + 1)}
        yield _Word("".join(one.char for one in run), tuple(sorted(places)), is_word_character(run[0].char))


def _in_number(chars: Sequence[Char], at: int) -> bool:
    """Whether a character is a mark between two digits, or the digit after it."""

    def mark(place: int) -> bool:
        around = chars[place - 1 : place + 2]
        return (
            0 < place < len(chars) - 1
            and around[0].char.isdigit()
            and around[2].char.isdigit()
            and not (around[1].space or around[2].space)
            and not is_word_character(around[1].char)
        )

    return mark(at) or (at > 0 and mark(at - 1))
