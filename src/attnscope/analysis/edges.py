"""One edge, from one query to one key, in every head of a stack: its weight, and its rank in the query's row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups, mask_of
from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import InputError
from attnscope.trace import Trace


@dataclass(frozen=True, eq=False)
class Edge:
    """An edge in all heads of all layers that have attention, in the model's order.

    `rank` counts from 1 among the `among` keys that the query may look at (equal weights share a rank), and is 0 where the key
    is none of them. `off_sink`: without the sinks, the rest of the row brought back to a sum of 1; the weight is NaN and the rank
    0 where the key is a sink or nothing is left. `score` is -inf where the key is not allowed, NaN where scores are unknown.
    """

    layer: Int32[Tensor, "all_heads"]
    head: Int32[Tensor, "all_heads"]
    weight: Float[Tensor, "all_heads"]
    weight_off_sink: Float[Tensor, "all_heads"]
    score: Float[Tensor, "all_heads"]
    rank: Int32[Tensor, "all_heads"]
    rank_off_sink: Int32[Tensor, "all_heads"]
    among: Int32[Tensor, "all_heads"]
    among_off_sink: Int32[Tensor, "all_heads"]


def edge_of(trace: Trace, query: int, key: int, stack: str | None = None) -> Edge:
    """The edge from `query` to `key` in every head of a stack: one row of each head is computed.

    Raises `InputError` for positions that are not there, or a stack without attention.
    """
    layout = TokenGroups.of(trace, stack)
    for position, size, what in ((query, layout.queries, "query"), (key, layout.keys, "key")):
        if not 0 <= position < size:
            raise InputError(f"There is no {what} {position}: they go from 0 to {size - 1}.")
    parts = [
        _in_layer(layer, record, layout if layout.fits(record) else layout.resized(record), query, key)
        for layer, record in enumerate(trace.traced_stack(stack).records)
        if record is not None
    ]
    if not parts:
        raise InputError("No layer of this stack has attention, so there is no such edge.")
    return Edge(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _in_layer(layer: int, record: LayerRecord, layout: TokenGroups, query: int, key: int) -> tuple[Tensor, ...]:
    """The columns of `Edge` for the heads of one layer."""
    heads, row = torch.arange(record.shape.heads), torch.tensor([query])
    weights = record.attention(heads, row)[:, 0]
    score = (
        record.scores(heads, row)[:, 0, key] if isinstance(record, QKRecord) else torch.full((len(heads),), torch.nan)
    )
    allowed = mask_of(record, causal=layout.causal).allowed(row)[:, 0].expand(weights.shape)
    kept = allowed & ~layout.is_sink
    rest = torch.where(kept, weights, 0.0).sum(-1)
    off = weights[:, key] / rest
    if bool(layout.is_sink[key]):
        off = torch.full_like(off, torch.nan)
    off = torch.where(rest > 0, off, torch.nan)
    return (
        torch.full((len(heads),), layer, dtype=torch.int32),
        heads.int(),
        weights[:, key],
        off,
        score,
        _rank(weights, allowed, key),
        torch.where(off.isnan(), 0, _rank(weights, kept, key)),
        allowed.sum(-1).int(),
        kept.sum(-1).int(),
    )


def _rank(weights: Tensor, among: Tensor, key: int) -> Int32[Tensor, "heads"]:
    """One more than the number of larger weights among some keys; 0 where `key` is not one of them."""
    larger = (among & (weights > weights[:, key, None])).sum(-1)
    return torch.where(among[:, key], larger + 1, 0).int()
