"""Norms of head outputs and of transformed value vectors (Kobayashi et al. 2020).

Both are norms of vectors after the same matrix M of a head, its part of W_O, so one product G = M Mᵀ serves for both:
‖x M‖² = x G xᵀ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.analysis.arguments import check_record
from attnscope.attention import QKRecord
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.trace.stack import projected
from attnscope.validation import FUNCTION, check_arguments


@check_arguments(cancelled=FUNCTION)
def output_norms(
    record: QKRecord, projection: nn.Module, cancelled: Callable[[], bool] = lambda: False
) -> Float[Tensor, "head query"]:
    """Compute the norm of each head's contribution to the attention block's output, [head, query], float32.

    The contribution is W_O applied to Σ_j α_ij v_j of that head alone, gated and edited where the record is; the norm is in the
    units of the residual stream. Raises `CancelledError` once `cancelled()` returns True (checked before every head).
    """
    check_record(record, projection, "output_norms")
    rows = torch.arange(record.queries)
    found = torch.empty(record.shape.heads, record.queries)
    for head, gram in enumerate(_grams(record, projection)):
        if cancelled():
            raise CancelledError("Computing the norms was cancelled.")
        found[head] = _lengths(record.passed_on(torch.tensor([head]), rows)[0], gram)
    return found


def value_norms(record: QKRecord, projection: nn.Module) -> Float[Tensor, "head key"]:
    """Compute ‖f(x_j)‖ with f(x) = (x W_V + b_V) W_O of each head (Kobayashi et al. 2020), [head, key], float32.

    This is the norm of the vector that a head adds at a query that puts all its weight on key j, in the units of the residual
    stream. If an edit scales or replaces the head's output by the same factor for every query, the norm is scaled too.

    Raises `UnsupportedError` for gated attention, where the norm differs from query to query.
    """
    check_record(record, projection, "value_norms")
    if record.gate is not None:
        raise UnsupportedError(
            "‖f(x)‖ of a key differs from query to query here: the model multiplies the heads' outputs by a gate that depends on "
            "the query."
        )
    found = torch.empty(record.shape.heads, record.keys)
    for head, gram in enumerate(_grams(record, projection)):
        found[head] = _lengths(record.v[record.key_head(torch.tensor([head]))][0].float().cpu(), gram)
        found[head] *= _output_factor(record, head)
    return found


def _output_factor(record: QKRecord, head: int) -> float:
    """The factor that edits put on the head's Σ_j α_ij v_j; 1 without edits, or if the factor differs from query to query."""
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
    """W_O as a matrix: the weight of a plain linear layer, otherwise the module's output for unit vectors."""
    weight = getattr(projection, "weight", None)
    if type(projection) is nn.Linear and isinstance(weight, Tensor) and not weight.is_meta:
        return weight.detach().float().cpu().T
    return projected(projection, record, torch.eye(record.shape.heads * record.shape.v_dim))
