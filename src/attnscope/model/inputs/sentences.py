"""The two sentences of ready inputs: where the second one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from torch import Tensor
from transformers import BatchEncoding

from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import as_tensor
from attnscope.types import Token
from attnscope.validation import is_whole

SentenceStart = int | Sequence[int | None] | None
"""The position at which the second sentence begins; for a batch, one for each row."""


def starts_of(given: SentenceStart, ready: object, count: int) -> list[int | None]:
    """Where the second sentence of each of `count` inputs begins: as given, else as the tokenizer that made them says.

    None where neither says it. Raises `InputError` for a list of another length.
    """
    if given is None:
        return [start_by_tokenizer(ready, row) for row in range(count)]
    if count == 1 and is_whole(given):
        return [cast("int", given)]
    starts = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if len(starts) != count or count == 1:
        expected = "a position" if count == 1 else f"a list of {count} positions, one for each input"
        raise InputError(f"`sentence_b_start` must be {expected}; got {given!r:.60}.")
    return starts


def start_by_tokenizer(ready: object, row: int) -> int | None:
    """Where the second sentence begins according to a tokenizer's `BatchEncoding`; None if it does not say."""
    if not isinstance(ready, BatchEncoding) or not ready.is_fast:
        return None
    encodings: Any = ready.encodings
    if row >= len(encodings) or len(encodings[row].ids) != as_tensor("input_ids", ready["input_ids"]).shape[-1]:
        return None  # the inputs were changed since
    return next((at for at, sequence in enumerate(encodings[row].sequence_ids) if sequence == 1), None) or None


def start_by_types(types: Tensor | None, padding: Sequence[bool]) -> int | None:
    """Where the second sentence begins according to `token_type_ids` [1, tokens]: 0 for the first sentence, then 1.

    None if they say anything else, as in models that use them otherwise. Some models have a third type for a special token.
    """
    if types is None or types.ndim != 2:
        return None
    inside = [(at, kind) for at, (kind, pad) in enumerate(zip(types[0].tolist(), padding, strict=True)) if not pad]
    kinds = [kind for _, kind in inside if kind < 2]
    if set(kinds) != {0, 1} or kinds != sorted(kinds):
        return None
    return next(at for at, kind in inside if kind == 1)


def check_start(start: object, count: int) -> int:
    """The position as a number. Raises `InputError` if it is not inside the input."""
    if not is_whole(start) or not 0 < cast("int", start) < count:
        raise InputError(f"`sentence_b_start` must be between 1 and {count - 1}; got {start!r:.60}.")
    return int(cast("int", start))


def with_sentences(tokens: Sequence[Token], padding: Sequence[bool], start: int) -> list[Token]:
    """Mark tokens as "A" or "B"; padding belongs to neither."""
    return [
        token if pad else replace(token, sentence="B" if at >= start else "A")
        for at, (token, pad) in enumerate(zip(tokens, padding, strict=True))
    ]
