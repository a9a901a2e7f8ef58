"""The answer that a measurement is about: which tokens, and at which position they are predicted."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError
from attnscope.trace.positions import resolve_one
from attnscope.types import Token


@dataclass(frozen=True)
class Answer:
    """The token that is the answer, one that is not (or None), and the position whose prediction is asked."""

    answer: Token
    foil: Token | None
    position: int


def token_id(tokenizer: Any, given: str | int, what: str, vocabulary: int) -> int:
    """The id of one token, given as its text or as an id. Raises `InputError` for a text of several tokens."""
    if not isinstance(given, (str, bool)) and hasattr(given, "__index__"):
        ident = index_in(given, vocabulary)
        if ident is None:
            raise InputError(f"The {what} is token {given!r}, and the model predicts tokens 0 to {vocabulary - 1:,}.")
        return ident
    if not isinstance(given, str):
        raise InputError(f"The {what} is a text of one token, or a token id; got {type(given).__name__}.")
    if tokenizer is None:
        raise InputError(f"This model has no tokenizer, so give the {what} as a token id.")
    ids: list[int] = tokenizer(given, add_special_tokens=False, verbose=False)["input_ids"]
    if len(ids) != 1:
        pieces = ", ".join(repr(tokenizer.decode([one])) for one in ids) or "none"
        spaced = "" if given.startswith(" ") else f" (many tokenizers want the space before a word: {' ' + given!r})"
        raise InputError(f"The {what} {given!r} must be one token, and is {len(ids)}: {pieces}{spaced}.")
    return token_id(tokenizer, ids[0], what, vocabulary)


def position_of(at: object, tokens: Sequence[Token], tokenizer: Any, *, causal: bool) -> int:
    """The position that predicts: `at` (of several tokens the last), else the last, or the one mask token of a masked model."""
    count = len(tokens)
    if at is not None:
        return resolve_one(at, tokens)
    if causal:
        return count - 1
    mask = getattr(tokenizer, "mask_token_id", None)
    masked = [index for index, token in enumerate(tokens) if mask is not None and token.id == mask]
    if len(masked) != 1:
        raise InputError(
            f"This model predicts at every position, and the text has {len(masked)} mask tokens: say at which one with "
            "`position=`."
        )
    return masked[0]


def index_in(value: object, size: int, *, first: int = 0) -> int | None:
    """`value` as a whole number from `first` to `size` - 1, NumPy's and torch's too; None where it is none."""
    try:
        index = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None
    return index if not isinstance(value, bool) and first <= index < size else None


def last_only(inputs: Mapping[str, Tensor], position: int) -> dict[str, Any]:
    """The argument that lets a model compute the logits of one position alone."""
    device = next(iter(inputs.values())).device
    return {"logits_to_keep": torch.tensor([position], device=device)}
