"""Encode an input that is read as text, by its kind: with the tokenizer, or unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.model.inputs.chat import encode_chat
from attnscope.model.inputs.features import encode_features
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.tensors import encode_ids, encode_ready
from attnscope.model.inputs.text import encode_text
from attnscope.model.inputs.tokens import Reader
from attnscope.model.inputs.trace_input import TraceInput, one_pair, type_of
from attnscope.types import Observer
from attnscope.validation import is_whole


def encode(tokenizer: Any, read: Reader, trace_input: TraceInput, observer: Observer | None = None) -> ModelInputs:
    """Model inputs and tokens of one input.

    `read` is the result of `tokens.reader(tokenizer)`, passed in because analyzing a tokenizer takes a while.
    `trace_input.pair` is a second sentence, joined in the tokenizer's own pair format. With `trace_input.max_tokens`, a longer
    text is cut. The observer can cancel the rendering of a chat. Raises `InputError` if nothing is left to trace, `MissingError`
    for a string without a tokenizer.
    """
    max_tokens = trace_input.max_tokens
    if max_tokens is not None and not (is_whole(max_tokens) and max_tokens >= 1):
        raise InputError(f"`max_tokens` must be a whole number of at least 1; got {max_tokens!r:.80}.")
    return replace(_encoded(tokenizer, read, trace_input, observer), kind=trace_input.kind)


def _encoded(tokenizer: Any, read: Reader, trace_input: TraceInput, observer: Observer | None) -> ModelInputs:
    value, max_tokens = trace_input.value, trace_input.max_tokens
    check_text_options(trace_input)
    start = trace_input.sentence_b_start
    if trace_input.kind == "text":
        return encode_text(tokenizer, read, value, one_pair(trace_input.pair), max_tokens=max_tokens)
    if trace_input.pair is not None:
        raise InputError("`pair` works only with a text, not with token ids, messages or ready inputs.")
    match trace_input.kind:
        case "features":
            return encode_features(value)
        case "tensors":
            ready = {"input_ids": value} if hasattr(value, "__array__") else value
            return encode_ready(read, ready, max_tokens=max_tokens, sentence_b_start=start)
        case "chat":
            return encode_chat(
                tokenizer,
                read,
                value,
                max_tokens=max_tokens,
                continue_final_message=trace_input.continue_final_message,
                observer=observer,
            )
        case "ids":
            try:
                return encode_ids(read, value, max_tokens=max_tokens, sentence_b_start=start)
            except TypeError as error:
                raise _unknown_kind(value) from error
        case _:
            if isinstance(value, Sequence):
                texts = cast("Sequence[object]", value)
                raise InputError(f"Pass a single text; got a list of {len(texts)}.")
            raise _unknown_kind(value)


def check_text_options(trace_input: TraceInput) -> None:
    """Raise `InputError` for an option of a kind of input that this input is not."""
    if trace_input.continue_final_message and trace_input.kind != "chat":
        raise InputError("`continue_final_message` works only with a chat: a list of messages.")
    if trace_input.sentence_b_start is not None and trace_input.kind not in ("ids", "tensors"):
        raise InputError(
            "`sentence_b_start` works only with token ids and ready inputs. Pass the second sentence of a text as `pair`."
        )


def _unknown_kind(value: object) -> InputError:
    return InputError(
        "The input must be a string, a list of token ids, a list of chat messages, or a mapping of model inputs; "
        f"got {type_of(value)}."
    )
