"""Compare the hidden states of two forward passes, by stack."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_STATES = ("hidden_states", "encoder_hidden_states", "decoder_hidden_states")
_LAST = ("last_hidden_state", "encoder_last_hidden_state", "logits")


def hidden_difference(first: Any, second: Any) -> float | None:
    """The largest difference between the hidden states (or logits) of two outputs, relative to the largest value.

    None if the outputs contain neither.
    """
    pairs = list(zip(_states(first), _states(second), strict=True))
    if not pairs:
        return None
    errors = [relative(one, other) for one, other in pairs]
    return max(errors)


def differences_by_layer(untouched: Any, captured: Any, stack: str, depth: int) -> dict[int, float]:
    """The relative difference of the hidden states after each of the `depth` layers of a stack.

    If there is not one state per layer, every layer gets the largest difference.
    """
    first, second = states_of(untouched, stack), states_of(captured, stack)
    if not first:
        first, second = [untouched[0]], [captured[0]]
    errors = [relative(one, other) for one, other in zip(first, second, strict=True)]
    if len(errors) == depth + 1:
        return dict(enumerate(errors[1:]))
    return dict.fromkeys(range(depth), max(errors))


def overflow(output: Any, dtype: torch.dtype) -> str | None:
    """What to say about a pass of an unchanged model whose own states are infinite or NaN; None if they aren't."""
    stacks = {"encoder_hidden_states": "encoder ", "decoder_hidden_states": "decoder ", "hidden_states": ""}
    for name, stack in stacks.items():
        states = [state for state in getattr(output, name, None) or () if isinstance(state, Tensor)]
        layer = next((i for i, state in enumerate(states) if not bool(state.isfinite().all())), None)
        if layer is not None:
            return _overflow(f"its {stack}embeddings" if layer == 0 else f"{stack}layer {layer - 1}", dtype)
    last = [getattr(output, name, None) for name in _LAST]
    found = any(isinstance(state, Tensor) and bool(state.isnan().any()) for state in last)
    return _overflow("its output", dtype) if found else None


def _overflow(where: str, dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    cause = f"its numbers overflow in {name}. Load it with `dtype='bfloat16'` or `dtype='float32'`."
    if dtype != torch.float16:
        cause = f"its weights (in {name}) may be damaged."
    return f"The model's own hidden states are infinite or NaN from {where} on, in an ordinary pass too: {cause}"


def states_of(output: Any, stack: str) -> list[Tensor]:
    """The hidden states of a stack in a model output; those of cross-attention are the decoder's."""
    names = {"encoder": "encoder_hidden_states", "decoder": "decoder_hidden_states", "cross": "decoder_hidden_states"}
    for name in (names.get(stack, "hidden_states"), "hidden_states"):
        states = getattr(output, name, None)
        if states:
            return [state for state in states if isinstance(state, Tensor)]
    return []


def relative(one: Tensor, other: Tensor) -> float:
    """The largest difference relative to the largest value, max |one - other| / max |one|, in float32.

    Where both are infinite or NaN, there is nothing to compare; where only one is, the difference is infinite.
    """
    one, other = one.float(), other.float()
    finite = one.isfinite()
    if not torch.equal(finite, other.isfinite()):
        return torch.inf
    one, other = one[finite], other[finite]
    scale = float(one.abs().max()) if one.numel() else 0.0
    difference = float((one - other).abs().max()) if one.numel() else 0.0
    return difference / scale if scale > 0 else difference


def _states(output: Any) -> list[Tensor]:
    found = [state for name in _STATES for state in (getattr(output, name, None) or ())]
    if not found:
        found = [getattr(output, name, None) for name in _LAST]
    return [state for state in found if isinstance(state, Tensor)]
