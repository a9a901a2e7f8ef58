"""One input in the form that the model takes, with its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.input_kind import InputKind
from attnscope.types import InputImage, Token
from attnscope.validation import require_characters


@dataclass(frozen=True)
class ModelInputs:
    """Model inputs (a batch of text) and the tokens that they stand for.

    Attributes:
        inputs: The tensors by the names of the forward method's arguments.
        tokens: The tokens of the text, or of the source of an encoder-decoder model.
        warnings: What was changed on the way, such as a cut.
        text: The text, or what the chat template made of `messages`.
        pair: The second sentence.
        messages: The messages of a chat.
        continue_final_message: Whether the chat ends within its last message.
        target: The target text.
        target_tokens: The tokens that the decoder of an encoder-decoder model reads.
        images: The images as the model sees them.
        image_tokens: The positions of the vision tower, in a model that also reads text.
        ready: Whether the inputs were made elsewhere, not by attnscope.
        kind: The kind of input.
        use_cache: What ready inputs say about the cache, which matters for packed sequences.
        generated: How the end of the text was generated, as in the provenance of its trace; None if it was not.
    """

    inputs: dict[str, Tensor]
    tokens: list[Token]
    warnings: list[str]
    text: str | None = None
    pair: str | None = None
    messages: list[dict[str, Any]] | None = None
    target: str | None = None
    target_tokens: list[Token] | None = None
    images: list[InputImage] = field(default_factory=list[InputImage])
    image_tokens: list[Token] | None = None
    ready: bool = False
    kind: InputKind = "text"
    use_cache: bool | None = None
    continue_final_message: bool = False
    generated: Mapping[str, Any] | None = None

    @property
    def sides(self) -> dict[str, list[Token]]:
        """The tokens by side: `text` (and `image`), or `source` and `target`."""
        if self.image_tokens is not None:
            return {"text": self.tokens, "image": self.image_tokens}
        if self.target_tokens is None:
            return {"text": self.tokens}
        return {"source": self.tokens, "target": self.target_tokens}


def as_tensor(name: object, value: Any) -> Tensor:
    """Convert a ready input to a tensor. Raises `InputError` if it is not an array of numbers."""
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"`{name}` must be an array of numbers: {error}.") from error


def require_tokens(ids: Sequence[int]) -> None:
    """Raise `InputError` if there is nothing to trace."""
    if not ids:
        raise InputError("The text has no tokens, so there is nothing to trace. Enter at least one character.")


def check_ids(ids: Tensor, vocabulary: int | None) -> None:
    """Raise `InputError` for a token id that the model has no embedding for. With a vocabulary of None, every id is valid."""
    wrong = ids[(ids < 0) | (ids >= (vocabulary or torch.iinfo(torch.int64).max))]
    if wrong.numel():
        known = "ids start at 0" if vocabulary is None else f"its vocabulary has ids 0 to {vocabulary - 1:,}"
        raise InputError(f"Token id {int(wrong[0])} does not exist in this model: {known}.")


def require_text(*texts: str) -> None:
    """Raise `InputError` for half a character (a lone surrogate)."""
    for text in texts:
        require_characters(text, "The text")


def cut_note(before: int, after: int) -> str:
    """The warning for a text that was cut."""
    return f"The text was cut to {after:,} of its {before:,} tokens."
