"""Compare the hidden states of two forward passes, by stack."""

from __future__ import annotations

from typing import Any

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


def states_of(output: Any, stack: str) -> list[Tensor]:
    """The hidden states of a stack in a model output; those of cross-attention are the decoder's."""
    names = {"encoder": "encoder_hidden_states", "decoder": "decoder_hidden_states", "cross": "decoder_hidden_states"}
    for name in (names.get(stack, "hidden_states"), "hidden_states"):
        states = getattr(output, name, None)
        if states:
            return [state for state in states if isinstance(state, Tensor)]
    return []


def relative(one: Tensor, other: Tensor) -> float:
    """The largest difference relative to the largest value, max |one - other| / max |one|, in float32."""
    one, other = one.float(), other.float()
    scale = float(one.abs().max()) if one.numel() else 0.0
    difference = float((one - other).abs().max()) if one.numel() else 0.0
    return difference / scale if scale > 0 else difference


def _states(output: Any) -> list[Tensor]:
    found = [state for name in _STATES for state in (getattr(output, name, None) or ())]
    if not found:
        found = [getattr(output, name, None) for name in _LAST]
    return [state for state in found if isinstance(state, Tensor)]
