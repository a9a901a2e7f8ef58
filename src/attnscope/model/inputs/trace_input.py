"""One input with its kind, and how to recognize a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.chat import Message
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.features import has_features
from attnscope.model.inputs.input_kind import InputKind
from attnscope.model.inputs.tensors import rows_of

Text = str | Sequence[int] | Sequence[Message] | Mapping[str, Any]
"""A single input."""

Batch = list[str] | tuple[str, ...]
"""Several inputs, each of which becomes its own trace."""

AnyInput = Text | Batch


@dataclass(frozen=True)
class TraceInput:
    """One input, before it is encoded.

    Attributes:
        kind: The kind of input.
        value: The text, messages, ids, tensors, waveform or image.
        pair: The second sentence.
        target: What the decoder of an encoder-decoder model reads.
        images: The images that go with a text.
        max_tokens: Where to cut a longer text.
        sentence_b_start: The position at which the second sentence of ready inputs begins.
        continue_final_message: Whether a chat ends within its last message, for the model to continue it.
    """

    kind: InputKind
    value: Any
    pair: str | None = None
    target: Target | None = None
    images: Any = None
    max_tokens: int | None = None
    sentence_b_start: int | None = None
    continue_final_message: bool = False


def text_kind_of(value: object) -> InputKind:
    """The kind of an input that is read as text."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "features" if has_features(cast("Mapping[str, Any]", value)) else "tensors"
    if isinstance(value, Tensor) or hasattr(value, "__array__"):
        return "tensors"
    if _all(value, Mapping):
        return "chat"
    return "ids" if isinstance(value, Sequence) and not _all(value, str) else "unknown"


def batch_of(value: AnyInput, pair: str | Sequence[str] | None = None) -> list[tuple[Text, str | None]] | None:
    """The inputs of a batch, each with its second sentence; None if `value` is a single input.

    A batch is a list of texts (`pair`, if given, is then a list of the same length), or ready inputs whose `input_ids` have
    several rows.
    """
    if isinstance(value, Mapping):
        rows = rows_of(value)
        return None if rows is None else [(row, one_pair(pair)) for row in rows]
    if isinstance(value, str) or not _all(value, str):
        one_pair(pair)
        return None
    texts = cast("Sequence[str]", value)
    if pair is None:
        return [(text, None) for text in texts]
    pairs = cast("object", pair)
    if isinstance(pairs, str) or not isinstance(pairs, Sequence) or len(pair) != len(texts):
        got = "one string" if isinstance(pairs, str) else len(pair) if isinstance(pairs, Sequence) else type_of(pairs)
        raise InputError(f"A batch of {len(texts)} texts needs a list of {len(texts)} second sentences; got {got}.")
    return [(text, one_pair(one)) for text, one in zip(texts, pair, strict=True)]


def one_pair(pair: str | Sequence[str] | None) -> str | None:
    """The second sentence of one input. Raises `InputError` for a list of sentences and for anything that is not a text."""
    if pair is None or isinstance(pair, str):
        return pair
    if isinstance(pair, (list, tuple)):
        raise InputError("A list of second sentences (`pair`) needs a list of texts.")
    raise InputError(f"`pair` must be a text; got {type_of(pair)}.")


def type_of(value: object) -> str:
    """The type of a value; for a list, with the types of its items."""
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        inside = dict.fromkeys(type(one).__name__ for one in cast("Sequence[object]", value))
        return f"{kind} of {', '.join(inside)}" if inside else f"an empty {kind}"
    return kind


def _all(value: object, kind: type) -> bool:
    """Whether this is a list of at least one item, all of this type."""
    if not isinstance(value, Sequence):
        return False
    items = cast("Sequence[object]", value)
    return len(items) > 0 and all(isinstance(one, kind) for one in items)
