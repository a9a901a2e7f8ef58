"""What was given to `Model.trace`, as the model's inputs: the one place where the kinds of input are told apart.

"text"                                      a text, with `pair` a second sentence         model/inputs/text.py
[{"role": "user", "content": "…"}, …]       a chat, through the tokenizer's template      model/inputs/chat.py
[101, 1996, 102]                            token ids                                     model/inputs/tensors.py
{"input_ids": …, "attention_mask": …}       ready inputs                                  model/inputs/tensors.py
{"input_features": …}                       ready inputs that are no tokens (sound …)     model/inputs/features.py
["text", "text", …], or ready inputs of several rows                                      a batch: one trace each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.chat import Message, encode_chat
from attnscope.model.inputs.features import encode_numbers, holds_numbers
from attnscope.model.inputs.model_inputs import Encoded
from attnscope.model.inputs.tensors import encode_ids, encode_ready, rows_of
from attnscope.model.inputs.text import encode_text
from attnscope.model.inputs.tokens import Reader
from attnscope.validation import is_whole

Text = str | Sequence[int] | Sequence[Message] | Mapping[str, Any]
"""One input."""

Batch = list[str] | tuple[str, ...]
"""Several inputs, each of which becomes a trace of its own."""

Given = Text | Batch


def batch_of(given: Given, pair: str | Sequence[str] | None = None) -> list[tuple[Text, str | None]] | None:
    """The inputs of a batch, each with its second sentence; None where `given` is a single input.

    A batch is a list of texts (`pair`, if any, is then a list as long), or ready inputs whose `input_ids` have several rows.
    """
    if isinstance(given, Mapping):
        rows = rows_of(given)
        return None if rows is None else [(row, _no_list(pair)) for row in rows]
    if isinstance(given, str) or not _all(given, str):
        _no_list(pair)
        return None
    texts = cast("Sequence[str]", given)
    if pair is None:
        return [(text, None) for text in texts]
    pairs = cast("object", pair)
    if isinstance(pairs, str) or not isinstance(pairs, Sequence) or len(pair) != len(texts):
        got = "one string" if isinstance(pairs, str) else len(pair) if isinstance(pairs, Sequence) else _named(pairs)
        raise InputError(f"A batch of {len(texts)} texts needs a list of {len(texts)} second sentences; got {got}.")
    return [(text, _no_list(one)) for text, one in zip(texts, pair, strict=True)]


def encode(
    tokenizer: Any, read: Reader, given: Text, pair: str | None = None, *, max_tokens: int | None = None
) -> Encoded:
    """Inputs and tokens of one input (see above).

    `read` is what `tokens.reader(tokenizer)` gave (finding out how a tokenizer writes takes a while). `pair` is a second
    sentence, joined in the tokenizer's own pair format. With `max_tokens` a longer text is cut. Raises `InputError` where
    nothing is left to trace, `MissingError` where a string comes without a tokenizer.
    """
    if max_tokens is not None and not (is_whole(max_tokens) and max_tokens >= 1):
        raise InputError(f"`max_tokens` is a number of tokens, at least 1; got {max_tokens!r}.")
    if isinstance(given, str):
        return encode_text(tokenizer, read, given, _no_list(pair), max_tokens=max_tokens)
    if pair is not None:
        raise InputError("A second sentence (`pair`) goes with a text, not with token ids, messages or ready inputs.")
    if isinstance(given, Mapping):
        return encode_numbers(given) if holds_numbers(given) else encode_ready(read, given, max_tokens=max_tokens)
    if isinstance(given, Tensor) or hasattr(given, "__array__"):
        return encode_ready(read, {"input_ids": given}, max_tokens=max_tokens)
    if _all(given, Mapping):
        return encode_chat(tokenizer, read, cast("Sequence[Message]", given), max_tokens=max_tokens)
    if _all(given, str):
        raise InputError(f"One text at a time here; got a list of {len(given)}.")
    if not isinstance(given, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _none_of_them(given)
    try:
        return encode_ids(read, cast("Sequence[int]", given), max_tokens=max_tokens)
    except TypeError as error:
        raise _none_of_them(given) from error


def _all(given: object, kind: type) -> bool:
    """Whether this is a list of at least one thing, all of that kind."""
    if not isinstance(given, Sequence):
        return False
    items = cast("Sequence[object]", given)
    return len(items) > 0 and all(isinstance(one, kind) for one in items)


def _no_list(pair: str | Sequence[str] | None) -> str | None:
    if pair is None or isinstance(pair, str):
        return pair
    if isinstance(pair, (list, tuple)):
        raise InputError("A list of second sentences (`pair`) goes with a list of texts.")
    raise InputError(f"A second sentence (`pair`) is a text; got {_named(pair)}.")


def _none_of_them(given: object) -> InputError:
    return InputError(
        "A text is a string, a list of token ids, a list of chat messages, or a mapping of model inputs; got "
        f"{_named(given)}."
    )


def _named(given: object) -> str:
    """The type of what was given, of a list with the types of what is in it."""
    kind = type(given).__name__
    if isinstance(given, (list, tuple)):
        inside = dict.fromkeys(type(one).__name__ for one in cast("Sequence[object]", given))
        return f"{kind} of {', '.join(inside)}" if inside else f"an empty {kind}"
    return kind
