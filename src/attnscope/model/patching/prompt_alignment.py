"""Check whether two prompts align token by token, and describe where they do not."""

from __future__ import annotations

from collections.abc import Sequence

from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.types import Token


def check_aligned(clean: Trace, corrupted: Trace) -> None:
    """Raise `InputError` that describes the difference, unless both prompts have the same number of tokens on every side."""
    if clean.sides.keys() != corrupted.sides.keys():
        raise InputError("Both prompts must have the same sides (text, or source and target).")
    for side, first in clean.sides.items():
        second = corrupted.sides[side]
        if len(first) != len(second):
            named = "" if side == "text" else f" on the {side} side"
            raise InputError(
                f"The prompts do not align{named}: the clean one has {len(first)} tokens, the corrupted one "
                f"{len(second)}. {_where(first, second)} Use words with the same number of tokens."
            )


def _where(first: Sequence[Token], second: Sequence[Token]) -> str:
    """Describe the span in which two sequences of tokens differ."""
    shorter = min(len(first), len(second))
    start = next((i for i in range(shorter) if first[i].id != second[i].id), shorter)
    end = 0
    while end < shorter - start and first[-1 - end].id == second[-1 - end].id:
        end += 1
    clean, corrupted = first[start : len(first) - end], second[start : len(second) - end]
    return f"At position {start}, the clean one has {_quoted(clean)} and the corrupted one {_quoted(corrupted)}."


def _quoted(tokens: Sequence[Token]) -> str:
    if not tokens:
        return "nothing"
    text = " · ".join(repr(token.text) for token in tokens[:6])
    return f"{text} … ({len(tokens)} tokens)" if len(tokens) > 6 else text
