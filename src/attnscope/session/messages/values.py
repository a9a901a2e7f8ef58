"""The value side of one layer as a `values` message: what keys hold, and what each head passes on (docs/reference/wire.md).

With f(x_j) = (x_j W_V + b_V) W_O of one head, a key adds α_ij f(x_j) to the attention block's output (Kobayashi 2020,
equation 3). Its length is α_ij ‖f(x_j)‖; the length of their sum is the head's output norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import torch
from torch import nn

from attnscope.analysis import output_norms, value_norms
from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import UnsupportedError
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import Arrays

_GATED = "This model multiplies the heads' outputs by a gate of each query, so what a key has to give is no one vector."

LARGEST_ERROR = 1e-3
"""Of the largest value: how far values may be off before they are sent as float32."""


class ValuesFields(TypedDict):
    """The fields of a `values` response but for the place of the layer."""

    heads: int
    kv_heads: int
    queries: int
    keys: int
    v_dim: int
    error: float
    note: str | None


def values_message(
    record: LayerRecord,
    projection: nn.Module | None,
    limits: Limits,
    *,
    why_not: str,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[ValuesFields, Arrays]:
    """The fields and tensors of a `values` response.

    `projection` is the layer's W_O; without one the answer has no norms, and `why_not` as its note. Raises `UnsupportedError`
    for a layer of which only the weights are known, `TooLongError` before anything too large is made, `CancelledError`.
    """
    if not isinstance(record, QKRecord):
        raise UnsupportedError("The values of this layer are not known: of it only attention weights are there.")
    shape = record.shape
    numbers = shape.kv_heads * record.keys * shape.v_dim
    limits.check_answer(4 * (numbers + shape.heads * (record.queries + record.keys)))
    arrays, error = _values(record)
    if projection is not None:
        arrays["output_norm"] = output_norms(record, projection, cancelled).numpy()
        if record.gate is None:
            arrays["transformed_norm"] = value_norms(record, projection).numpy()
    fields: ValuesFields = {
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "queries": record.queries,
        "keys": record.keys,
        "v_dim": shape.v_dim,
        "error": error,
        "note": why_not if projection is None else _GATED if record.gate is not None else None,
    }
    return fields, arrays


def _values(record: QKRecord) -> tuple[Arrays, float]:
    exact = record.v.detach().float().cpu()
    half = exact.to(torch.float16)
    largest = exact.abs().max().item() if exact.numel() else 0.0
    error = (half.float() - exact).abs().max().item() / largest if largest > 0 else 0.0
    if error <= LARGEST_ERROR:
        return {"v": half.numpy()}, error
    return {"v": exact.contiguous().numpy()}, 0.0
