"""Whether two prompts line up token by token, and where they do not."""

from __future__ import annotations

from collections.abc import Sequence

from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.types import Token


def check_aligned(clean: Trace, corrupted: Trace) -> None:
    """Raise `InputError` with one sentence that says where, unless both have as many tokens on every side."""
    if clean.sides.keys() != corrupted.sides.keys():
        raise InputError("Both prompts need the same sides (text, or source and target).")
    for side, first in clean.sides.items():
        second = corrupted.sides[side]
        if len(first) != len(second):
            named = "" if side == "text" else f" on the {side} side"
            raise InputError(
                f"The prompts do not line up{named}: the clean one has {len(first)} tokens and the corrupted one {len(second)}. "
                f"{_where(first, second)} Use words of as many tokens."
            )


def _where(first: Sequence[Token], second: Sequence[Token]) -> str:
    """The stretch in which two rows of tokens differ, in words."""
    shorter = min(len(first), len(second))
    start = next((i for i in range(shorter) if first[i].id != second[i].id), shorter)
    end = 0
    while end < shorter - start and first[-1 - end].id == second[-1 - end].id:
        end += 1
    ours, theirs = first[start : len(first) - end], second[start : len(second) - end]
    return f"From position {start} on the clean one has {_said(ours)} where the corrupted one has {_said(theirs)}."


def _said(tokens: Sequence[Token]) -> str:
    if not tokens:
        return "nothing"
    text = " · ".join(repr(token.text) for token in tokens[:6])
    return f"{text} … ({len(tokens)} tokens)" if len(tokens) > 6 else text
