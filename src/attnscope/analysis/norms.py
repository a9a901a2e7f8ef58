"""How long the vectors are that heads pass on, and that keys have to give (Kobayashi et al. 2020).

Both are lengths of vectors through the same matrix M of a head, its part of W_O, so one product G = M Mᵀ serves: ‖x M‖² = x G xᵀ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.attention import QKRecord
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.trace.stack import projected


def output_norms(
    record: QKRecord, projection: nn.Module, cancelled: Callable[[], bool] = lambda: False
) -> Float[Tensor, "head query"]:
    """‖head output‖, each head's part of the attention block's output, float32. Raises `CancelledError`."""
    rows = torch.arange(record.queries)
    found = torch.empty(record.shape.heads, record.queries)
    for head, gram in enumerate(_grams(record, projection)):
        if cancelled():
            raise CancelledError("The values were not needed any more.")
        found[head] = _lengths(record.passed_on(torch.tensor([head]), rows)[0], gram)
    return found


def value_norms(record: QKRecord, projection: nn.Module) -> Float[Tensor, "head key"]:
    """‖f(x_j)‖ with f(x) = (x W_V + b_V) W_O of one head: what each key has to give, float32.

    Of a head whose output was scaled or replaced by an edit, what that left of it. Raises `UnsupportedError` for gated attention,
    where it differs from query to query.
    """
    if record.gate is not None:
        raise UnsupportedError(
            "What a key has to give differs from query to query here: the model multiplies the heads' outputs by a gate of each "
            "query."
        )
    found = torch.empty(record.shape.heads, record.keys)
    for head, gram in enumerate(_grams(record, projection)):
        found[head] = _lengths(record.v[record.key_head(torch.tensor([head]))][0].float().cpu(), gram)
        found[head] *= _passed_on(record, head)
    return found


def _passed_on(record: QKRecord, head: int) -> float:
    """What edits left of the head's Σ_j α_ij v_j, as a factor: 1 without edits, and where it differs from query to query."""
    if record.edited is None:
        return 1.0
    kept = record.edited.kept_of(head, record.queries).abs()
    return float(kept[0]) if bool((kept == kept[0]).all()) else 1.0


def _grams(record: QKRecord, projection: nn.Module) -> Iterator[Float[Tensor, "v_dim v_dim"]]:
    matrix, width = _matrix(record, projection), record.shape.v_dim
    for head in range(record.shape.heads):
        part = matrix[head * width : (head + 1) * width].double()
        yield part @ part.T


def _lengths(vectors: Float[Tensor, "row v_dim"], gram: Float[Tensor, "v_dim v_dim"]) -> Float[Tensor, "row"]:
    exact = vectors.double()
    return ((exact @ gram) * exact).sum(dim=-1).clamp_min(0).sqrt().float()


def _matrix(record: QKRecord, projection: nn.Module) -> Float[Tensor, "heads_v_dim model_dim"]:
    """W_O as a matrix: the weight of a plain linear map, else what the module makes of unit vectors."""
    weight = getattr(projection, "weight", None)
    if type(projection) is nn.Linear and isinstance(weight, Tensor) and not weight.is_meta:
        return weight.detach().float().cpu().T
    return projected(projection, record, torch.eye(record.shape.heads * record.shape.v_dim))
