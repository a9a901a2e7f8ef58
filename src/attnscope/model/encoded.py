"""One input as the model takes it, with the tokens that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from attnscope.errors import InputError
from attnscope.types import Token


@dataclass(frozen=True)
class Encoded:
    """Model inputs (a batch of one) and the tokens they stand for.

    `text` and `pair` are what was given, or what the chat template made of `messages`.
    """

    inputs: dict[str, Tensor]
    tokens: list[Token]
    warnings: list[str]
    text: str | None = None
    pair: str | None = None
    messages: list[dict[str, Any]] | None = None


def require_tokens(ids: Sequence[int]) -> None:
    """Raise `InputError` where there is nothing to trace."""
    if not ids:
        raise InputError("The text has no tokens, so there is nothing to trace. Type at least one character.")


def require_text(*given: str) -> None:
    """Raise `InputError` for half a surrogate pair: Python's strings hold it, but it is no character."""
    for one in given:
        if any("\ud800" <= char <= "\udfff" for char in one):
            raise InputError("The text holds half of a surrogate pair, which is no character; remove it and try again.")


def cut_note(before: int, after: int) -> str:
    """The warning of a trace of a text that was cut."""
    return f"The text was cut to {after:,} of its {before:,} tokens."
