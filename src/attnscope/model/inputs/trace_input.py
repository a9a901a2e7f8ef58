"""One input as it was given, with its kind; and which inputs are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.chat import Message
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.features import holds_numbers
from attnscope.model.inputs.input_kind import InputKind
from attnscope.model.inputs.tensors import rows_of

Text = str | Sequence[int] | Sequence[Message] | Mapping[str, Any]
"""One input."""

Batch = list[str] | tuple[str, ...]
"""Several inputs, each of which becomes a trace of its own."""

Given = Text | Batch


@dataclass(frozen=True)
class TraceInput:
    """One input as it was given. `value` is the text, messages, ids, tensors, waveform or image; `images` go with a text."""

    kind: InputKind
    value: Any
    pair: str | None = None
    target: Target | None = None
    images: Any = None
    max_tokens: int | None = None


def text_kind_of(given: object) -> InputKind:
    """The kind of an input that is read as text."""
    if isinstance(given, str):
        return "text"
    if isinstance(given, Mapping):
        return "features" if holds_numbers(cast("Mapping[str, Any]", given)) else "tensors"
    if isinstance(given, Tensor) or hasattr(given, "__array__"):
        return "tensors"
    if _all(given, Mapping):
        return "chat"
    return "ids" if isinstance(given, Sequence) and not _all(given, str) else "unknown"


def batch_of(given: Given, pair: str | Sequence[str] | None = None) -> list[tuple[Text, str | None]] | None:
    """The inputs of a batch, each with its second sentence; None where `given` is a single input.

    A batch is a list of texts (`pair`, if any, is then a list as long), or ready inputs whose `input_ids` have several rows.
    """
    if isinstance(given, Mapping):
        rows = rows_of(given)
        return None if rows is None else [(row, one_pair(pair)) for row in rows]
    if isinstance(given, str) or not _all(given, str):
        one_pair(pair)
        return None
    texts = cast("Sequence[str]", given)
    if pair is None:
        return [(text, None) for text in texts]
    pairs = cast("object", pair)
    if isinstance(pairs, str) or not isinstance(pairs, Sequence) or len(pair) != len(texts):
        got = "one string" if isinstance(pairs, str) else len(pair) if isinstance(pairs, Sequence) else type_of(pairs)
        raise InputError(f"A batch of {len(texts)} texts needs a list of {len(texts)} second sentences; got {got}.")
    return [(text, one_pair(one)) for text, one in zip(texts, pair, strict=True)]


def one_pair(pair: str | Sequence[str] | None) -> str | None:
    """The second sentence of one input. Raises `InputError` for a list of them, and for what is no text."""
    if pair is None or isinstance(pair, str):
        return pair
    if isinstance(pair, (list, tuple)):
        raise InputError("A list of second sentences (`pair`) goes with a list of texts.")
    raise InputError(f"A second sentence (`pair`) is a text; got {type_of(pair)}.")


def type_of(given: object) -> str:
    """The type of what was given, of a list with the types of what is in it."""
    kind = type(given).__name__
    if isinstance(given, (list, tuple)):
        inside = dict.fromkeys(type(one).__name__ for one in cast("Sequence[object]", given))
        return f"{kind} of {', '.join(inside)}" if inside else f"an empty {kind}"
    return kind


def _all(given: object, kind: type) -> bool:
    """Whether this is a list of at least one thing, all of that kind."""
    if not isinstance(given, Sequence):
        return False
    items = cast("Sequence[object]", given)
    return len(items) > 0 and all(isinstance(one, kind) for one in items)
