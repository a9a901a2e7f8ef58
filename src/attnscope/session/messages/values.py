"""The `values` response: the value vectors of a layer, their transformed norms ‖f(x)‖, and head output norms.

With f(x_j) = (x_j W_V + b_V) W_O for one head, key j contributes α_ij f(x_j) to the output of the attention block (Kobayashi
2020, equation 3). The norm of that contribution is α_ij ‖f(x_j)‖. The norm of the sum over keys is the head's output norm.
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

_GATED = (
    "This model multiplies head outputs by a gate that depends on the query, so f(x) is not a single vector per key."
)

LARGEST_ERROR = 1e-3
"""The largest error of values in float16, relative to the largest value. Above it, they are sent as float32."""


class ValuesFields(TypedDict):
    """The fields of a `values` response, apart from its place (trace, stack and layer)."""

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
    no_projection_note: str,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[ValuesFields, Arrays]:
    """The fields and tensors of a `values` response.

    `projection` is the layer's W_O. Without it, the response has no norms, and `no_projection_note` as its note.

    Raises:
        UnsupportedError: The trace has only the attention weights of this layer.
        TooLongError: The response would be too large. Nothing has been allocated.
        CancelledError: `cancelled` returned True.
    """
    if not isinstance(record, QKRecord):
        raise UnsupportedError("This layer has no value vectors: the trace has only its attention weights.")
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
        "note": no_projection_note if projection is None else _GATED if record.gate is not None else None,
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
