"""The positions of virtual tokens (PEFT's prefix and prompt tuning) among the tokens of an input, and in predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from attnscope.capture import VirtualTokens, virtual_tokens
from attnscope.errors import UnsupportedError
from attnscope.model.hf.module_info import is_encoder_decoder
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.trace import LogitsAt
from attnscope.trace.prediction import Prediction
from attnscope.types import Token


def with_virtual_positions(model: nn.Module, encoded: ModelInputs) -> ModelInputs:
    """The input with a token for each virtual token before those of the text."""
    virtual = virtual_tokens(model)
    if virtual is None:
        return encoded
    named = [Token(text=f"virtual {i}", id=-1, special=True) for i in range(virtual.count)]
    return replace(encoded, tokens=[*named, *encoded.tokens])


def check_virtual_tokens(model: nn.Module) -> None:
    """Raise `UnsupportedError` for virtual tokens of an encoder-decoder model, which go to several places."""
    if virtual_tokens(model) is not None and is_encoder_decoder(model):
        raise UnsupportedError(
            f"{type(model).__name__} has virtual tokens (prefix or prompt tuning) in an encoder-decoder model, which attnscope "
            "cannot show. Trace its base model, `hf_model.get_base_model()`."
        )


def refuse_virtual_tokens(model: nn.Module, what: str) -> None:
    """Raise `UnsupportedError` if the model has virtual tokens. `what` is what cannot be done with them."""
    if virtual_tokens(model) is not None:
        raise UnsupportedError(
            f"attnscope cannot {what} with virtual tokens (prefix or prompt tuning). `Model.trace` shows their attention."
        )


def shifted(predictions: Sequence[Prediction], virtual: VirtualTokens | None) -> list[Prediction]:
    """Predictions about the text, at their positions behind the virtual tokens."""
    before = 0 if virtual is None else virtual.count
    return [one if one.position is None else replace(one, position=one.position + before) for one in predictions]


def with_undefined_rows(logits: LogitsAt | None, virtual: VirtualTokens | None) -> LogitsAt | None:
    """Logits with a row for every position: NaN for virtual tokens that the model has no states of."""
    if logits is None or virtual is None or not virtual.keys_only:
        return logits

    def padded(positions: Sequence[int] | None = None) -> Tensor | None:
        found = logits()
        if found is None or found.ndim != 2:
            return found
        every = pad(found, (0, 0, virtual.count, 0), value=torch.nan)
        return every if positions is None else every[list(positions)]

    return padded
