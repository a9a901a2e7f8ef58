"""One input as the model takes it, with the tokens that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.input_kind import InputKind
from attnscope.types import InputImage, Token


@dataclass(frozen=True)
class ModelInputs:
    """Model inputs (a batch of one) and the tokens they stand for: of the text, or of an encoder-decoder model's two sides.

    `text` and `pair` are what was given, or what the chat template made of `messages`. `target_tokens` are what the decoder of
    an encoder-decoder model reads, `target` the text that they were made of. `images` are images as the model sees them,
    `image_tokens` the positions of the vision tower of a model that reads text as well. `ready` inputs were made elsewhere;
    `kind` is what was given.
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

    @property
    def sides(self) -> dict[str, list[Token]]:
        """The tokens by side: `text` (and `image`), or `source` and `target`."""
        if self.image_tokens is not None:
            return {"text": self.tokens, "image": self.image_tokens}
        if self.target_tokens is None:
            return {"text": self.tokens}
        return {"source": self.tokens, "target": self.target_tokens}


def require_tokens(ids: Sequence[int]) -> None:
    """Raise `InputError` where there is nothing to trace."""
    if not ids:
        raise InputError("The text has no tokens, so there is nothing to trace. Type at least one character.")


def check_ids(ids: Tensor, vocabulary: int | None) -> None:
    """Raise `InputError` for a token id that the model has no embedding for. A vocabulary of None has no end."""
    wrong = ids[(ids < 0) | (ids >= (vocabulary or torch.iinfo(torch.int64).max))]
    if wrong.numel():
        size = "" if vocabulary is None else f" of {vocabulary:,}"
        raise InputError(f"Token id {int(wrong[0])} is outside the model's vocabulary{size}.")


def require_text(*given: str) -> None:
    """Raise `InputError` for half a surrogate pair: Python's strings hold it, but it is no character."""
    for one in given:
        if any("\ud800" <= char <= "\udfff" for char in one):
            raise InputError("The text holds half of a surrogate pair, which is no character; remove it and try again.")


def cut_note(before: int, after: int) -> str:
    """The warning of a trace of a text that was cut."""
    return f"The text was cut to {after:,} of its {before:,} tokens."
