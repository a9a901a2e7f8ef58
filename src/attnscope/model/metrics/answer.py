"""The position that predicts an answer, and a pass that computes the logits of chosen positions only."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.capture import pass_options
from attnscope.errors import InputError
from attnscope.trace.positions import resolve_one
from attnscope.types import Token


def position_of(at: object, tokens: Sequence[Token], tokenizer: Any, *, causal: bool) -> int:
    """The position that predicts: `at` if given (of several tokens the last), else the last one, or the only mask token."""
    count = len(tokens)
    if at is not None:
        return resolve_one(at, tokens)
    if causal:
        return count - 1
    mask = getattr(tokenizer, "mask_token_id", None)
    masked = [index for index, token in enumerate(tokens) if mask is not None and token.id == mask]
    if len(masked) != 1:
        raise InputError(
            f"This model predicts at every position, and the text has {len(masked)} mask tokens, so the position "
            "is ambiguous. Pass `position`."
        )
    return masked[0]


def index_in(value: object, size: int, *, first: int = 0) -> int | None:
    """`value` as a whole number from `first` to `size` - 1, including NumPy and torch integers; None if it is not one."""
    try:
        index = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None
    return index if not isinstance(value, bool) and first <= index < size else None


def logits_only(inputs: Mapping[str, Tensor], positions: Sequence[int]) -> dict[str, Any]:
    """The argument that makes a model compute the logits of these positions only."""
    device = next(iter(inputs.values())).device
    return {"logits_to_keep": torch.tensor(list(positions), device=device)}


def logits_at(
    clone: nn.Module, inputs: Mapping[str, Any], positions: Sequence[int]
) -> Float[Tensor, "row position vocab"]:
    """The logits of a pass at these positions, float32 on the CPU; others are not computed if the model can skip them."""
    options = pass_options(clone, **logits_only(inputs, positions))
    with torch.no_grad():
        logits: Tensor = clone(**inputs, **options).logits
    rows = logits if "logits_to_keep" in options else logits[:, list(positions)]
    return rows.float().cpu()
