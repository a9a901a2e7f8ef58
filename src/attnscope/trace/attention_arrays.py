"""Attention weights from anywhere as tensors, or a sentence about what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from attnscope.errors import InputError

Rows = Literal["whole", "partial", "any"]
"""Rows sum to 1; to at most 1; or hold any numbers between 0 and 1."""

NONE_THERE = (
    "There is no attention in `{name}`. With transformers, load the model with `attn_implementation='eager'`, call it with "
    "`output_attentions=True`, and pass `outputs.{field}` (`outputs[-1]` is something else in transformers 5)."
)
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


def layers_of(name: str, given: Any, queries: int, keys: int, rows: Rows) -> list[Tensor | None]:
    """The weights [heads, queries, keys] of every layer, float32 on the CPU; None for a layer without."""
    layers = _listed(name, given)
    if not layers or all(layer is None for layer in layers):
        raise InputError(NONE_THERE.format(name=name, field=FIELDS[name]))
    return [
        None if layer is None else _weights(f"Layer {index} of `{name}`", layer, queries, keys, rows)
        for index, layer in enumerate(layers)
    ]


def _listed(name: str, given: Any) -> list[Any]:
    field = FIELDS[name]
    if hasattr(given, field) or hasattr(given, "logits") or hasattr(given, "last_hidden_state"):
        raise InputError(f"`{name}` is the whole output of a model; pass `outputs.{field}`.")
    if isinstance(given, Mapping):
        return _by_number(name, given)
    if hasattr(given, "ndim") and hasattr(given, "shape"):
        if given.ndim < 4:
            raise InputError(
                f"`{name}` holds one array for each layer; got a single array of shape {tuple(given.shape)}. Put it into a list, "
                f"or pass `outputs.{field}` where it is something else of a model's outputs."
            )
        return list(given)
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__") or hasattr(given, "get_seq_length"):
        raise InputError(
            f"`{name}` is a list with one array for each layer; got {type(given).__name__}. With transformers pass "
            f"`outputs.{field}`."
        )
    return list(given)


def _by_number(name: str, given: Mapping[Any, Any]) -> list[Any]:
    """A mapping from layers' numbers; those between without an entry are missing."""
    wrong = [key for key in given if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < 10_000]
    if wrong:
        raise InputError(f"The keys of a mapping `{name}` are layers' numbers, from 0 on; got {wrong[0]!r}.")
    return [given.get(number) for number in range(max(given, default=-1) + 1)]


def _weights(what: str, layer: Any, queries: int, keys: int, rows: Rows) -> Tensor:
    given = _tensor(what, layer)
    if given.ndim == 4 and given.shape[0] != 1:
        raise InputError(
            f"{what} is a batch of {given.shape[0]}; a trace is of one input. Pass one of them: "
            "`[layer[i : i + 1] for layer in attentions]`, with its own tokens."
        )
    weights = given[0] if given.ndim == 4 else given
    if weights.ndim != 3 or not weights.is_floating_point():
        raise InputError(
            f"{what} has shape {tuple(given.shape)} and type {given.dtype}; expected floats of shape "
            "[1, heads, tokens, tokens] or [heads, tokens, tokens]."
        )
    if weights.shape[0] == 0 or tuple(weights.shape[1:]) != (queries, keys):
        there = f"there are {queries} tokens" if queries == keys else f"there are {queries} queries and {keys} keys"
        raise InputError(
            f"{what} has shape {tuple(given.shape)}, and {there}: the last two sizes must be {queries} and {keys}, the tokens "
            "that attend and those attended to."
        )
    tolerance = 1e-3 if weights.dtype in (torch.float32, torch.float64) else 3e-2
    weights = weights.float().cpu().contiguous()
    if not bool(weights.isfinite().all()):
        raise InputError(f"{what} holds NaN or infinity, so it cannot be attention weights.")
    _check_values(what, weights, tolerance, rows)
    return weights.clamp(0, 1)


def _check_values(what: str, weights: Tensor, tolerance: float, rows: Rows) -> None:
    if rows == "any":
        low, high = float(weights.min()), float(weights.max())
        if low < -tolerance or high > 1 + tolerance:
            raise InputError(
                f"Attention weights lie between 0 and 1, and in {_inside(what)} they go from {low:.3g} to {high:.3g}. Pass the "
                "weights after the softmax."
            )
        return
    sums = weights.sum(-1)
    below = bool(((sums < 1 - tolerance) & (sums.abs() > 0)).any())
    if float(weights.min()) < -tolerance or float(sums.max()) > 1 + tolerance or (below and rows == "whole"):
        head, row = divmod(int((sums - 1).abs().argmax()), weights.shape[1])
        raise InputError(
            f"Rows of attention are distributions, and in {_inside(what)}, head {head}, row {row} sums to "
            f"{float(sums[head, row]):.4g}. Pass the weights after the softmax, from a model in eval mode (no dropout); for a "
            "model with learned sinks pass `partial_rows=True`."
        )


def _inside(what: str) -> str:
    return f"{what[0].lower()}{what[1:]}"


def _tensor(what: str, layer: Any) -> Tensor:
    if isinstance(layer, Tensor):
        return layer.detach()
    try:
        array = np.asarray(layer)
        if array.dtype.kind == "V":  # JAX's bfloat16, which torch does not take from numpy
            array = array.astype(np.float32)
        return torch.as_tensor(array)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is no array of numbers ({type(layer).__name__}).") from error
