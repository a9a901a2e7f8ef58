"""Model inputs and tokens of an input that is read as text: by its kind, through the tokenizer or as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.model.inputs.chat import encode_chat
from attnscope.model.inputs.features import encode_numbers
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.tensors import encode_ids, encode_ready
from attnscope.model.inputs.text import encode_text
from attnscope.model.inputs.tokens import Reader
from attnscope.model.inputs.trace_input import TraceInput, one_pair, type_of
from attnscope.validation import is_whole


def encode(tokenizer: Any, read: Reader, given: TraceInput) -> ModelInputs:
    """Model inputs and tokens of one input.

    `read` is what `tokens.reader(tokenizer)` gave (finding out how a tokenizer writes takes a while). `given.pair` is a second
    sentence, joined in the tokenizer's own pair format. With `given.max_tokens` a longer text is cut. Raises `InputError`
    where nothing is left to trace, `MissingError` where a string comes without a tokenizer.
    """
    most = given.max_tokens
    if most is not None and not (is_whole(most) and most >= 1):
        raise InputError(f"`max_tokens` is a number of tokens, at least 1; got {most!r}.")
    return replace(_encoded(tokenizer, read, given), kind=given.kind)


def _encoded(tokenizer: Any, read: Reader, given: TraceInput) -> ModelInputs:
    value, most = given.value, given.max_tokens
    if given.kind == "text":
        return encode_text(tokenizer, read, value, one_pair(given.pair), max_tokens=most)
    if given.pair is not None:
        raise InputError("A second sentence (`pair`) goes with a text, not with token ids, messages or ready inputs.")
    match given.kind:
        case "features":
            return encode_numbers(value)
        case "tensors":
            ready = {"input_ids": value} if hasattr(value, "__array__") else value
            return encode_ready(read, ready, max_tokens=most)
        case "chat":
            return encode_chat(tokenizer, read, value, max_tokens=most)
        case "ids":
            try:
                return encode_ids(read, value, max_tokens=most)
            except TypeError as error:
                raise _none_of_them(value) from error
        case _:
            if isinstance(value, Sequence):
                texts = cast("Sequence[object]", value)
                raise InputError(f"One text at a time here; got a list of {len(texts)}.")
            raise _none_of_them(value)


def _none_of_them(given: object) -> InputError:
    return InputError(
        "A text is a string, a list of token ids, a list of chat messages, or a mapping of model inputs; got "
        f"{type_of(given)}."
    )
