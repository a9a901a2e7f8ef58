"""Warnings for a text that has a first or last special token already, where the tokenizer adds one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attnscope.types import Token

Encode = Callable[..., Sequence[int]]
"""The token ids of a text; with `add_special_tokens=False`, without those that the tokenizer adds."""


def doubled_special_tokens(
    tokens: Sequence[Token], texts: Sequence[str], encode: Encode, what: str = "text"
) -> list[str]:
    """The warnings for the tokens of `texts` (one text, or two sentences). The ids stay as the tokenizer gives them."""
    if len(tokens) < 2:
        return []
    first, last = tokens[0], tokens[-1]
    begins = _twice(first, tokens[1]) and texts[0].lstrip().startswith(first.text)
    ends = _twice(last, tokens[-2]) and texts[-1].rstrip().endswith(last.text)
    if not begins and not ends:
        return []
    before, after = _added(encode)
    found = [("begins", first, begins and first.id in before), ("ends", last, ends and last.id in after)]
    return [
        f"The {what} already {verb} with {token.text}, and the tokenizer adds another one, so the model reads it twice."
        for verb, token, holds in found
        if holds
    ]


def _twice(token: Token, other: Token) -> bool:
    return token.special and token.id == other.id


def _added(encode: Encode) -> tuple[set[int], set[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    whole, inner = list(encode("a")), list(encode("a", add_special_tokens=False))
    for at in range(len(whole) - len(inner) + 1):
        if inner and whole[at : at + len(inner)] == inner:
            return set(whole[:at]), set(whole[at + len(inner) :])
    return set(), set()
