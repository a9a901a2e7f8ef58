"""Encode a text, or a pair of sentences, with the tokenizer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch

from attnscope.errors import InputError, MissingError
from attnscope.model.inputs.model_inputs import ModelInputs, cut_note, require_text, require_tokens
from attnscope.model.inputs.offsets import with_source_text
from attnscope.model.inputs.special_token_warnings import doubled_special_tokens
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Sentence, Token


def encode_text(
    tokenizer: Any, read: Reader, text: str, pair: str | None = None, *, max_tokens: int | None = None
) -> ModelInputs:
    """Inputs and tokens of a text; `pair` is a second sentence in the tokenizer's own pair format.

    With `max_tokens`, the end of a longer text is cut (in a pair, that of the longer sentence first); special tokens are kept.
    """
    require_tokenizer(tokenizer)
    require_text(text, pair or "")
    if not text:
        raise InputError("The text is empty. Enter a text to trace.")
    texts = (text,) if pair is None else (text, pair)
    encoding = tokenize(tokenizer, *texts)
    warnings: list[str] = []
    before = len(encoding["input_ids"])
    if max_tokens is not None and before > max_tokens:
        encoding = _cut(tokenizer, texts, max_tokens)
        warnings.append(cut_note(before, len(encoding["input_ids"])))
    ids: list[int] = list(encoding["input_ids"])
    require_tokens(ids)
    tokens = with_source_text(read.all(ids), encoding, tokenizer, *texts)
    if pair is not None:
        sides = _sentences(encoding, tokens, tokenizer, text, pair)
        tokens = [replace(token, sentence=side) for token, side in zip(tokens, sides, strict=True)]
        border = [i for i, side in enumerate(sides) if side == "B"]
        if border and not any(token.special for token in tokens[1 : border[0] + 1]):
            warnings.append(
                "This tokenizer has no pair format: it puts nothing between sentence A and sentence B, so the "
                "model reads them as one text."
            )
    warnings += doubled_special_tokens(tokens, texts, partial(text_ids, tokenizer))
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return ModelInputs(inputs, tokens, warnings, text, pair)


def text_ids(tokenizer: Any, text: str, *, add_special_tokens: bool = True) -> list[int]:
    """The token ids of a text."""
    return list(tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)["input_ids"])


def tokenize(tokenizer: Any, *texts: str, **options: Any) -> Any:
    """Tokenize a text or a pair. Raises `InputError` with the tokenizer's message if it fails."""
    try:
        return tokenizer(*texts, verbose=False, **options)
    except Exception as error:
        raise InputError(f"The tokenizer cannot split this text into tokens: {str(error).rstrip('.')}.") from error


def require_tokenizer(tokenizer: Any) -> None:
    """Raise `MissingError` if there is no tokenizer."""
    if tokenizer is None:
        raise MissingError(
            "This model has no tokenizer, so it cannot tokenize a text. Pass token ids, or wrap the model with a "
            "tokenizer: `attnscope.Model(hf_model, tokenizer)`."
        )


def _cut(tokenizer: Any, texts: tuple[str, ...], max_tokens: int) -> Any:
    """The encoding with at most `max_tokens` tokens, special tokens included."""
    added = len(tokenizer(*[""] * len(texts), verbose=False)["input_ids"])
    if max_tokens <= added:
        raise InputError(
            f"`max_tokens` is {max_tokens}, but this tokenizer adds {added} special tokens to every text. Use a "
            "larger number."
        )
    encoding: Any = tokenizer(*texts, verbose=False, truncation="longest_first", max_length=max_tokens)
    if len(encoding["input_ids"]) > max_tokens:
        raise InputError("This tokenizer cannot cut a text. Shorten the text yourself.")
    return encoding


def _sentences(encoding: Any, tokens: list[Token], tokenizer: Any, text: str, pair: str) -> list[Sentence]:
    """A or B for every token; a special token belongs to the sentence that it closes (or, at the very start, opens)."""
    try:
        sequences = list(encoding.sequence_ids(0))
    except (ValueError, AttributeError):  # a slow tokenizer does not report sequences
        sequences = _sequence_ids(tokens, tokenizer, text, pair)
    first_b = next((i for i, one in enumerate(sequences) if one == 1), len(sequences))
    return ["B" if i >= first_b else "A" for i in range(len(sequences))]


def _sequence_ids(tokens: list[Token], tokenizer: Any, text: str, pair: str) -> list[int | None]:
    """The sentence that each token comes from, found by the lengths of the two sentences alone."""
    first, second = (list(tokenizer(one, add_special_tokens=False, verbose=False)["input_ids"]) for one in (text, pair))
    ids = [token.id for token in tokens]
    added = list(tokenizer.get_special_tokens_mask(first, second))
    if len(added) != len(ids):  # a cut text, whose special tokens are those that are special wherever they are
        added = [int(token.special and token.id != getattr(tokenizer, "unk_token_id", None)) for token in tokens]
    content = added.count(0)
    while len(first) + len(second) > content:  # how a tokenizer cuts: the longer sentence first
        longer = first if len(first) > len(second) else second
        longer.pop()
    left = len(first)
    found: list[int | None] = []
    for one in added:
        if one:
            found.append(None)
            continue
        found.append(0 if left > 0 else 1)
        left -= 1
    return found
