"""A text, or a pair of sentences, through the tokenizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from attnscope.errors import InputError, MissingError
from attnscope.model.inputs.model_inputs import ModelInputs, cut_note, require_text, require_tokens
from attnscope.model.inputs.offsets import with_given
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Sentence, Token


def encode_text(
    tokenizer: Any, read: Reader, text: str, pair: str | None = None, *, max_tokens: int | None = None
) -> ModelInputs:
    """Inputs and tokens of a text; `pair` is a second sentence in the tokenizer's own pair format.

    With `max_tokens` a longer text loses what comes last (of a pair, the longer sentence first); the special tokens stay.
    """
    require_tokenizer(tokenizer)
    require_text(text, pair or "")
    given = (text,) if pair is None else (text, pair)
    encoding = tokenized(tokenizer, *given)
    warnings: list[str] = []
    before = len(encoding["input_ids"])
    if max_tokens is not None and before > max_tokens:
        encoding = _cut(tokenizer, given, max_tokens)
        warnings.append(cut_note(before, len(encoding["input_ids"])))
    ids: list[int] = list(encoding["input_ids"])
    require_tokens(ids)
    tokens = with_given([read(one) for one in ids], encoding, tokenizer, *given)
    if pair is not None:
        sides = _sentences(encoding, tokens, tokenizer, text)
        tokens = [replace(token, sentence=side) for token, side in zip(tokens, sides, strict=True)]
        border = [i for i, side in enumerate(sides) if side == "B"]
        if border and not any(token.special for token in tokens[1 : border[0] + 1]):
            warnings.append(
                "This tokenizer has no pair format of its own: it puts nothing between sentence A and sentence B, and the "
                "model reads them as one text."
            )
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return ModelInputs(inputs, tokens, warnings, text, pair)


def tokenized(tokenizer: Any, *given: str, **options: Any) -> Any:
    """What the tokenizer makes of a text or a pair. Raises `InputError` where it makes nothing of it, with what it says."""
    try:
        return tokenizer(*given, verbose=False, **options)
    except Exception as error:
        raise InputError(f"The tokenizer cannot cut this text into tokens: {str(error).rstrip('.')}.") from error


def require_tokenizer(tokenizer: Any) -> None:
    """Raise `MissingError` where there is none."""
    if tokenizer is None:
        raise MissingError(
            "This model has no tokenizer, so a text cannot be cut into tokens. Pass token ids, or wrap the model with one: "
            "`attnscope.Model(hf_model, tokenizer)`."
        )


def _cut(tokenizer: Any, given: tuple[str, ...], max_tokens: int) -> Any:
    """The encoding with at most `max_tokens` tokens, special ones included."""
    added = len(tokenizer(*[""] * len(given), verbose=False)["input_ids"])
    if max_tokens <= added:
        raise InputError(f"`max_tokens` is {max_tokens}, and this tokenizer adds {added} special tokens to every text.")
    encoding: Any = tokenizer(*given, verbose=False, truncation="longest_first", max_length=max_tokens)
    if len(encoding["input_ids"]) > max_tokens:
        raise InputError("This tokenizer cannot cut a text; shorten it yourself.")
    return encoding


def _sentences(encoding: Any, tokens: list[Token], tokenizer: Any, text: str) -> list[Sentence]:
    """A or B for every token; special tokens belong to the sentence they close (or, at the very start, open)."""
    try:
        own = list(encoding.sequence_ids(0))
    except (ValueError, AttributeError):  # a slow tokenizer does not tell
        own = _sequence_ids(tokens, tokenizer, text)
    first_b = next((i for i, one in enumerate(own) if one == 1), len(own))
    return ["B" if i >= first_b else "A" for i in range(len(own))]


def _sequence_ids(tokens: list[Token], tokenizer: Any, text: str) -> list[int | None]:
    """Which sentence each token is from, by the length of the first one alone."""
    left = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    found: list[int | None] = []
    for token in tokens:
        if token.special:
            found.append(None)
            continue
        found.append(0 if left > 0 else 1)
        left -= 1
    return found
