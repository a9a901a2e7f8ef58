"""The answer that a measurement is about: its tokens, and the position that predicts them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.vocabularies import target_ids
from attnscope.trace.positions import resolve_one
from attnscope.types import Token
from attnscope.validation import is_index, require_characters


@dataclass(frozen=True)
class Answer:
    """The answer token, a wrong token to compare it with (the foil, or None), and the position whose prediction is measured."""

    answer: Token
    foil: Token | None
    position: int


def token_id(tokenizer: Any, value: str | int, what: str, vocabulary: int, *, target: bool = False) -> int:
    """The id of one token, from its text or its id. Raises `InputError` for a text of several tokens.

    `target`: whether it is a token of the target of an encoder-decoder model.
    """
    if is_index(value):
        ident = index_in(value, vocabulary)
        if ident is None:
            raise InputError(
                f"The {what} {value!r:.300} is not a token id of this model: ids are 0 to {vocabulary - 1:,}."
            )
        return ident
    if not isinstance(value, str):
        raise InputError(f"The {what} must be the text of one token, or a token id; got {type(value).__name__}.")
    if tokenizer is None:
        raise InputError(f"This model has no tokenizer, so it cannot tokenize the {what}. Pass a token id.")
    require_characters(value, f"The {what}")
    ids: list[int] = (
        target_ids(tokenizer, value, add_special_tokens=False)
        if target
        else tokenizer(value, add_special_tokens=False, verbose=False)["input_ids"]
    )
    if len(ids) != 1:
        pieces = ", ".join(repr(tokenizer.decode([one])) for one in ids) or "none"
        hint = "" if value.startswith(" ") else f" Many tokenizers need the space before a word: {' ' + value!r}."
        raise InputError(f"The {what} must be one token, but {value!r:.300} is {len(ids)}: {pieces}.{hint}")
    return token_id(tokenizer, ids[0], what, vocabulary)


def position_of(at: object, tokens: Sequence[Token], tokenizer: Any, *, causal: bool) -> int:
    """The position that predicts: `at` if given (of several tokens the last), else the last one, or the only mask token."""
    count = len(tokens)
    if at is not None:
        return resolve_one(at, tokens)
    if causal:
        return count - 1
    mask = getattr(tokenizer, "mask_token_id", None)
    masked = [index for index, token in enumerate(tokens) if mask is not None and token.id == mask]
    if len(masked) != 1:
        raise InputError(
            f"This model predicts at every position, and the text has {len(masked)} mask tokens, so the position "
            "is ambiguous. Pass `position`."
        )
    return masked[0]


def index_in(value: object, size: int, *, first: int = 0) -> int | None:
    """`value` as a whole number from `first` to `size` - 1, including NumPy and torch integers; None if it is not one."""
    try:
        index = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None
    return index if not isinstance(value, bool) and first <= index < size else None


def last_only(inputs: Mapping[str, Tensor], position: int) -> dict[str, Any]:
    """The argument that makes a model compute the logits of a single position."""
    device = next(iter(inputs.values())).device
    return {"logits_to_keep": torch.tensor([position], device=device)}
