"""Tokens as a user names them on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attnscope.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnscope.trace.positions import Position
    from attnscope.types import Token

HELP = "8 is an index, nurse a word, the#2 its second occurrence, 4-5 or 4,5 a span"
"""For help texts."""

_INDEX = re.compile(r"-?\d{1,9}")
_SPAN = re.compile(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*")
_OCCURRENCE = re.compile(r"(.+)#(\d{1,9})", re.DOTALL)
_MOST = 1_000_000


def position_given(text: str, option: str) -> Position:
    """What an option's value means. Anything else than the forms in `HELP` is a word or phrase; `8#1` is the word 8."""
    text = text.strip()
    if not text:
        raise InputError(f"{option} is empty: pass an index or a word of the text.")
    if _INDEX.fullmatch(text):
        return int(text)
    if _SPAN.fullmatch(text):
        ends = [part.partition("-") for part in text.split(",")]
        ranges = [range(int(first), int(last or first) + 1) for first, _, last in ends]
        if not all(ranges) or sum(map(len, ranges)) > _MOST:
            raise InputError(f"{option} is a span from a lower to a higher index, such as 4-5; got {text!r:.80}.")
        return [index for part in ranges for index in part]
    numbered = _OCCURRENCE.fullmatch(text)
    return text if numbered is None else (numbered[1], int(numbered[2]))


def tokens_given(text: str | None, tokens: Sequence[Token], option: str) -> list[int] | None:
    """The indices of the tokens that an option names; None for None."""
    if text is None:
        return None
    from attnscope.trace.positions import resolve

    return list(resolve(position_given(text, option), tokens, option, nth="{word}#{number}"))
