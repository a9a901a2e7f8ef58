"""The value side of one layer as a `values` message: what every key has to give, and what each head passes on (docs/wire.md).

With f(x_j) = (x_j W_V + b_V) W_O of one head, a key adds α_ij f(x_j) to the attention block's output (Kobayashi 2020,
equation 3). Its length is α_ij ‖f(x_j)‖; the length of their sum is the head's output norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import CancelledError, RefusedError
from attnscope.session.layer_message import Arrays
from attnscope.session.limits import Limits
from attnscope.trace.trace import projected

LARGEST_ERROR = 1e-3
"""Of the largest value: how far values may be off before they are sent as float32."""


def values_message(
    record: LayerRecord,
    projection: nn.Module | None,
    limits: Limits,
    *,
    why_not: str,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Any], Arrays]:
    """The fields and tensors of a `values` response.

    `projection` is the layer's W_O; without one the answer has no norms, and `why_not` as its note. Raises `RefusedError`
    for a layer of which only the weights are known, `TooLongError` before anything too large is made, `CancelledError`.
    """
    if not isinstance(record, QKRecord):
        raise RefusedError("The values of this layer are not known: of it only attention weights are there.")
    shape = record.shape
    numbers = shape.kv_heads * record.keys * shape.v_dim
    limits.check_answer(4 * (numbers + shape.heads * (record.queries + record.keys)))
    arrays, error = _values(record)
    if projection is not None:
        outputs, transformed = _norms(record, projection, cancelled)
        arrays |= {"output_norm": outputs, "transformed_norm": transformed}
    fields = {
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "queries": record.queries,
        "keys": record.keys,
        "v_dim": shape.v_dim,
        "error": error,
        "note": why_not if projection is None else None,
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


def _norms(record: QKRecord, projection: nn.Module, cancelled: Callable[[], bool]) -> tuple[np.ndarray, np.ndarray]:
    """(‖head output‖ [heads, queries], ‖f(x)‖ [heads, keys]), float32.

    Both are lengths of vectors through the same matrix M of a head, so one product G = M Mᵀ serves: ‖x M‖² = x G xᵀ.
    """
    shape, rows = record.shape, torch.arange(record.queries)
    outputs = torch.empty(shape.heads, record.queries)
    transformed = torch.empty(shape.heads, record.keys)
    matrix = _matrix(record, projection)
    for head in range(shape.heads):
        if cancelled():
            raise CancelledError("The values were not needed any more.")
        index = torch.tensor([head])
        part = matrix[head * shape.v_dim : (head + 1) * shape.v_dim].double()
        gram = part @ part.T
        outputs[head] = _lengths(record.output(index, rows)[0], gram)
        transformed[head] = _lengths(record.v[record.key_head(index)][0].float().cpu(), gram) * _passed_on(record, head)
    return outputs.numpy(), transformed.numpy()


def _passed_on(record: QKRecord, head: int) -> float:
    """What edits left of the head's Σ_j α_ij v_j, as a factor: 1 without edits, and where it differs from query to query."""
    if record.edited is None:
        return 1.0
    kept = record.edited.kept_of(head, record.queries).abs()
    return float(kept[0]) if bool((kept == kept[0]).all()) else 1.0


def _lengths(vectors: Float[Tensor, "row v_dim"], gram: Float[Tensor, "v_dim v_dim"]) -> Float[Tensor, "row"]:
    exact = vectors.double()
    return ((exact @ gram) * exact).sum(dim=-1).clamp_min(0).sqrt().float()


def _matrix(record: QKRecord, projection: nn.Module) -> Float[Tensor, "heads_v_dim model_dim"]:
    """W_O as a matrix: the weight of a plain linear map, else what the module makes of unit vectors."""
    weight = getattr(projection, "weight", None)
    if type(projection) is nn.Linear and isinstance(weight, Tensor) and not weight.is_meta:
        return weight.detach().float().cpu().T
    return projected(projection, record, torch.eye(record.shape.heads * record.shape.v_dim))
