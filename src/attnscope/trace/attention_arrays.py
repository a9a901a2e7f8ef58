"""Convert attention weights from any array library to tensors, with an error message for anything that is not attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from attnscope.errors import InputError

Rows = Literal["whole", "partial", "any"]
"""What rows must satisfy: sum to 1 (`whole`), sum to at most 1 (`partial`), or only lie between 0 and 1 (`any`)."""

NO_ATTENTION = (
    "`{name}` contains no attention weights. With transformers, load the model with `attn_implementation='eager'`, call it with "
    "`output_attentions=True`, and pass `outputs.{field}` (not `outputs[-1]`, which is something else in transformers 5)."
)
AVERAGED = (
    "`nn.MultiheadAttention` averages over heads unless it is called with `average_attn_weights=False`; pass the weights of "
    "every head."
)
"""What to do about weights that have no axis of heads."""

FIELDS = {
    "attentions": "attentions",
    "attention": "attentions",
    "encoder_attentions": "encoder_attentions",
    "encoder_attention": "encoder_attentions",
    "decoder_attentions": "decoder_attentions",
    "decoder_attention": "decoder_attentions",
    "cross_attentions": "cross_attentions",
    "cross_attention": "cross_attentions",
}


def layers_of(name: str, value: Any, queries: int, keys: int, rows: Rows) -> list[Tensor | None]:
    """The weights of every layer, [heads, queries, keys], float32 on the CPU; None for a layer without attention.

    Raises `InputError`.
    """
    layers = _as_list(name, value)
    if not layers or all(layer is None for layer in layers):
        raise InputError(NO_ATTENTION.format(name=name, field=FIELDS[name]))
    return [
        None if layer is None else _weights(f"Layer {index} of `{name}`", layer, queries, keys, rows)
        for index, layer in enumerate(layers)
    ]


def lacks_batch_axis(value: Any) -> bool:
    """Whether the first axis of the layers was read as heads: [heads, queries, keys]."""
    layers = list(value.values()) if isinstance(value, Mapping) else value
    return any(getattr(layer, "ndim", 4) == 3 for layer in layers if layer is not None)


def _as_list(name: str, value: Any) -> list[Any]:
    field = FIELDS[name]
    if hasattr(value, field) or hasattr(value, "logits") or hasattr(value, "last_hidden_state"):
        raise InputError(f"`{name}` is the whole model output. Pass `outputs.{field}`.")
    if isinstance(value, Mapping):
        return _from_mapping(name, value)
    if hasattr(value, "ndim") and hasattr(value, "shape"):
        if value.ndim < 4:
            averaged = value.ndim == 2 or (value.ndim == 3 and value.shape[0] == 1)
            todo = (
                AVERAGED if averaged else f"If it is one layer, [heads, tokens, tokens], put it in a list. {AVERAGED}"
            )
            raise InputError(
                f"`{name}` must hold one array per layer; got a single array of shape {tuple(value.shape)}. {todo} With "
                f"transformers, pass `outputs.{field}`."
            )
        return list(value)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or hasattr(value, "get_seq_length"):
        raise InputError(
            f"`{name}` must be a list with one array per layer; got {type(value).__name__}. With transformers, pass "
            f"`outputs.{field}`."
        )
    return list(value)


def _from_mapping(name: str, by_layer: Mapping[Any, Any]) -> list[Any]:
    """A list of layers from a mapping {layer index: weights}, with None for every index without an entry."""
    wrong = [key for key in by_layer if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < 10_000]
    if wrong:
        raise InputError(f"If `{name}` is a mapping, its keys must be layer indices from 0; got {wrong[0]!r:.80}.")
    return [by_layer.get(layer) for layer in range(max(by_layer, default=-1) + 1)]


def _weights(what: str, layer: Any, queries: int, keys: int, rows: Rows) -> Tensor:
    array = _tensor(what, layer)
    if array.ndim == 4 and array.shape[0] != 1:
        raise InputError(
            f"{what} is a batch of {array.shape[0]} inputs, but a trace holds one. Select input i with "
            "`[layer[i : i + 1] for layer in attentions]`, and pass its tokens."
        )
    if array.is_floating_point() and (array.ndim == 2 or (array.ndim == 3 and array.shape[0] == 1)):
        raise InputError(
            f"{what} has shape {tuple(array.shape)}: one head, or an average over heads? {AVERAGED} If the layer has only one "
            "head, pass it as [1, 1, tokens, tokens]."
        )
    weights = array[0] if array.ndim == 4 else array
    if weights.ndim != 3 or not weights.is_floating_point():
        raise InputError(
            f"{what} has shape {tuple(array.shape)} and dtype {array.dtype}; expected floating-point numbers of shape "
            "[1, heads, tokens, tokens] or [heads, tokens, tokens]."
        )
    if weights.shape[0] == 0 or tuple(weights.shape[1:]) != (queries, keys):
        there = f"there are {queries} tokens" if queries == keys else f"there are {queries} queries and {keys} keys"
        raise InputError(
            f"{what} has shape {tuple(array.shape)}, but {there}. The last two sizes must be {queries} and {keys}: the number of "
            "query tokens and of key tokens."
        )
    tolerance = 1e-3 if weights.dtype in (torch.float32, torch.float64) else 3e-2
    weights = weights.float().cpu().contiguous()
    if not bool(weights.isfinite().all()):
        raise InputError(f"{what} contains NaN or infinity, so it cannot hold attention weights.")
    _check_values(what, weights, tolerance, rows)
    return weights.clamp(0, 1)


def _check_values(what: str, weights: Tensor, tolerance: float, rows: Rows) -> None:
    if rows == "any":
        low, high = float(weights.min()), float(weights.max())
        if low < -tolerance or high > 1 + tolerance:
            raise InputError(
                f"Attention weights must lie between 0 and 1, but those in {_inside(what)} range from {low:.3g} to {high:.3g}. "
                "Pass the weights after the softmax."
            )
        return
    sums = weights.sum(-1)
    below = bool(((sums < 1 - tolerance) & (sums.abs() > 0)).any())
    if float(weights.min()) < -tolerance or float(sums.max()) > 1 + tolerance or (below and rows == "whole"):
        head, row = divmod(int((sums - 1).abs().argmax()), weights.shape[1])
        raise InputError(
            f"Rows of attention weights must be distributions, but in {_inside(what)}, head {head}, row {row} sums to "
            f"{float(sums[head, row]):.4g}. Pass the weights after the softmax, from a model in eval mode (no dropout). For a "
            "model with learned sinks, pass `partial_rows=True`."
        )


def _inside(what: str) -> str:
    return f"{what[0].lower()}{what[1:]}"


def _tensor(what: str, layer: Any) -> Tensor:
    if isinstance(layer, Tensor):
        return layer.detach()
    try:
        array = np.asarray(layer)
        if array.dtype.kind == "V":  # JAX's bfloat16, which torch cannot convert from NumPy
            array = array.astype(np.float32)
        return torch.as_tensor(array)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not an array of numbers; got {type(layer).__name__}.") from error
