"""The pattern of brackets: from a closing bracket to the opening bracket that it closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from attnscope.trace.words import Char, is_word_character
from attnscope.types import Token


@dataclass(frozen=True, eq=False, repr=False)
class _Brackets(Pattern):
    """The opening bracket that a closing bracket closes."""

    pairs: str
    direction: Direction

    @property
    def name(self) -> str:
        return "brackets"

    def related(self, groups: TokenGroups) -> Related:
        require_one_text(groups, self.name)
        found = [
            ((closing.last,), tuple(range(opening.first, opening.last + 1)))
            for closing, opening in matched(groups.query_tokens, self.pairs)
            if closing.last != opening.last
        ]
        return Related.of_spans(groups, in_direction(found, self.direction), ())

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "brackets", "pairs": self.pairs, "direction": self.direction}


def brackets(pairs: str = "()[]{}", direction: Direction = "backward") -> Pattern:
    """From a closing bracket to the opening bracket that it closes; "forward" is the reverse, and "both" is both.

    `pairs` lists opening and closing characters in turn. Quotes are added with '""' or "“”"; where both are the same character,
    every second one closes, and apostrophes within words don't count. Brackets nest: a closing bracket closes the last open
    one of its kind, and those opened after that one stay without a partner. They match within one sentence of a pair and one
    message of a chat. A token that holds several brackets is related to the partners of all of them, but never to itself.

    Raises `InputError` if `pairs` doesn't list pairs of characters or lists one twice, or for an unknown direction.
    """
    check_direction(direction)
    if not isinstance(pairs, str) or not pairs or len(pairs) % 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`pairs` lists opening and closing characters in turn, such as '()[]'; got {pairs!r:.80}.")
    kinds = [pairs[at : at + 2] for at in range(0, len(pairs), 2)]
    listed = "".join("".join(dict.fromkeys(kind)) for kind in kinds)
    if len(set(listed)) < len(listed) or any(is_word_character(char) or char.isspace() for char in listed):
        raise InputError(f"`pairs` lists each bracket once, and no letters or spaces; got {pairs!r:.80}.")
    return _Brackets(pairs, direction)


def matched(tokens: Sequence[Token], pairs: str) -> Iterator[tuple[Char, Char]]:
    """The closing brackets and the opening brackets that they close."""
    opening = {pairs[at + 1]: pairs[at] for at in range(0, len(pairs), 2)}
    parts, chars = parts_of(tokens), visible(tokens)
    open_: list[Char] = []
    part = 0
    for at, one in enumerate(chars):
        if parts[one.first] != part:
            part = parts[one.first]
            open_.clear()
        if one.char not in pairs or (opening.get(one.char) == one.char and _within_word(chars, at)):
            continue
        partner = opening.get(one.char)
        places = [place for place, other in enumerate(open_) if other.char == partner]
        if partner is not None and places:
            yield one, open_[places[-1]]
            del open_[places[-1] :]
        elif partner is None or partner == one.char:
            open_.append(one)


def _within_word(chars: Sequence[Char], at: int) -> bool:
    """Whether a character stands between two letters, as an apostrophe does."""
    if at == 0 or at + 1 == len(chars):
        return False
    before, after = chars[at - 1], chars[at + 1]
    return is_word_character(before.char) and is_word_character(after.char) and not (chars[at].space or after.space)
