"""One edge, from a query to a key, in every head of a stack: its weight, and its rank in the query's row. Both may be spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups, mask_of
from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.positions import Position, is_word, resolve


@dataclass(frozen=True, eq=False)
class Edge:
    """An edge in all heads of all layers that have attention, in the model's order.

    Over spans, `weight` is the sum over the key tokens, averaged over the query tokens (Clark 2019). Query tokens for which all
    keys of the span are masked don't count, unless that holds for all of them: then the weight is 0.

    `rank` counts from 1 among the `among` keys that aren't masked, where a span of keys counts as one; equal weights share a
    rank. It is 0 if the key is masked. The fields `…_off_sink` are without the attention sinks, with each row renormalized over
    the other keys; sinks in a span of keys are dropped. There, the weight is NaN and the rank 0 if the key is a sink or nothing
    remains. `score` is -inf if the key is masked and NaN if scores are unknown. For a span of keys it is ln Σ exp(score), the
    score whose softmax is the span's weight; over query tokens it is averaged.
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


def edge_of(trace: Trace, query: Position, key: Position, stack: str | None = None) -> Edge:
    """The edge from `query` to `key` in every head of a stack. Computes only the rows of `query`.

    Both are an index, a word, ("the", 2) for its second occurrence, or a span of several tokens. Raises `InputError` for a
    position that doesn't exist, a word that is ambiguous, or a stack without attention.
    """
    layout = TokenGroups.of(trace, stack)
    queries, keys = resolve(query, layout.query_tokens, "query"), resolve(key, layout.key_tokens, "key")
    records = [(layer, one) for layer, one in enumerate(trace.traced_stack(stack).records) if one is not None]
    if (is_word(query) or is_word(key)) and not all(layout.fits(record) for _, record in records):
        raise InputError("In this stack, queries and keys are not the tokens of the text: pass indices, not words.")
    parts = [
        _in_layer(layer, record, layout if layout.fits(record) else layout.resized(record), queries, keys)
        for layer, record in records
    ]
    if not parts:
        raise InputError("No layer of this stack has attention, so there is no such edge.")
    return Edge(*(torch.cat(column) for column in zip(*parts, strict=True)))


def edge_weights(
    trace: Trace,
    query: Sequence[int],
    keys: Sequence[Sequence[int]],
    stack: str | None = None,
    *,
    off_sink: bool = False,
) -> Float[Tensor, "keys all_heads"]:
    """The weight from one span of queries to each of several spans of keys, in every head: `weight` of `Edge`, and nothing else.

    With `off_sink`, `weight_off_sink`. The spans are indices of the stack's tokens.
    """
    layout = TokenGroups.of(trace, stack)
    records = [one for one in trace.traced_stack(stack).records if one is not None]
    rows = torch.tensor(list(query))
    parts: list[Tensor] = []
    for record in records:
        own = layout if layout.fits(record) else layout.resized(record)
        weights = record.attention(torch.arange(record.shape.heads), rows)
        allowed = mask_of(record, own).allowed(rows).expand(weights.shape)
        if off_sink:
            allowed = allowed & ~own.is_sink
            weights = torch.where(allowed, weights, 0.0)
            rest = weights.sum(-1, keepdim=True)
            weights, allowed = weights / rest, allowed & (rest > 0)
        spans = [torch.tensor(list(key)) for key in keys]
        parts.append(
            torch.stack(
                [
                    _mean(weights[:, :, span].nansum(-1), allowed[:, :, span].any(-1), torch.nan if off_sink else 0.0)
                    for span in spans
                ]
            )
        )
    if not parts:
        raise InputError("No layer of this stack has attention, so there is no such edge.")
    return torch.cat(parts, dim=1)


def _in_layer(
    layer: int, record: LayerRecord, layout: TokenGroups, queries: Sequence[int], keys: Sequence[int]
) -> tuple[Tensor, ...]:
    """The columns of `Edge` for the heads of one layer."""
    heads, rows, span = torch.arange(record.shape.heads), torch.tensor(queries), torch.tensor(keys)
    weights = record.attention(heads, rows)
    allowed = mask_of(record, layout).allowed(rows).expand(weights.shape)
    kept = allowed & ~layout.is_sink
    rest = torch.where(kept, weights, 0.0).sum(-1, keepdim=True)
    off = torch.where(kept & (rest > 0), weights / rest, torch.nan)
    own, seen = torch.zeros(record.keys, dtype=torch.bool), allowed[:, :, span].any(-1)
    own[span] = True
    score = torch.full((len(heads),), torch.nan)
    if isinstance(record, QKRecord):
        score = _mean(record.scores(heads, rows)[:, :, span].logsumexp(-1), seen, -torch.inf)
    left = kept[:, :, span].any(-1) & (rest[..., 0] > 0)
    rank, among = _rank(weights, allowed, own, seen)
    rank_off, among_off = _rank(off.nan_to_num(0.0), kept, own, left)
    return (
        torch.full((len(heads),), layer, dtype=torch.int32),
        heads.int(),
        _mean(weights[:, :, span].sum(-1), seen, 0.0),
        _mean(off[:, :, span].nansum(-1), left, torch.nan),
        score,
        rank,
        rank_off,
        among,
        among_off,
    )


def _mean(
    values: Float[Tensor, "heads queries"], counted: Bool[Tensor, "heads queries"], without: float
) -> Float[Tensor, "heads"]:
    """The mean over the queries that count; `without` any, this number."""
    count = counted.sum(-1)
    mean = torch.where(counted, values, 0.0).sum(-1) / count
    return torch.where(count > 0, mean, without)


def _rank(
    weights: Float[Tensor, "heads queries keys"],
    allowed: Bool[Tensor, "heads queries keys"],
    own: Bool[Tensor, "keys"],
    counted: Bool[Tensor, "heads queries"],
) -> tuple[Int32[Tensor, "heads"], Int32[Tensor, "heads"]]:
    """The rank of a span of keys (`own`) among single keys by their mean weights, and among how many."""
    use = counted | ~counted.any(-1, keepdim=True)
    means = torch.where(use[..., None], weights, 0.0).sum(1) / use.sum(-1, keepdim=True)
    among = (allowed & use[..., None]).any(1)
    total = torch.where(among & own, means, 0.0).sum(-1, keepdim=True)
    present = (among & own).any(-1) & counted.any(-1)
    larger = (among & ~own & (means > total)).sum(-1)
    count = (among & ~own).sum(-1) + (among & own).any(-1)
    return torch.where(present, larger + 1, 0).int(), count.int()
