"""Merge the masks and biases of consecutive decoding steps into those of a single forward pass.

With a KV cache, each step computes a few queries over the keys that are still in the cache: the most recent ones, up to and
including the step's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attnscope.attention.bias import Bias
from attnscope.attention.mask import Mask, candidates


@dataclass(frozen=True, eq=False)
class Part:
    """The mask and bias of one step. `query` is the position of its first query, `key` the position of its first key."""

    query: int
    key: int
    mask: Mask
    bias: Bias | None = None


def joined_mask(parts: Sequence[Part], keys: int) -> Mask:
    """The mask over all queries of `parts` (consecutive, from position 0) and `keys` key positions."""
    if len(parts) == 1 and parts[0].mask.keys == keys:
        return parts[0].mask
    intervals = [_interval(part) for part in parts]
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(parts):
        return Mask.fit(_allowed(parts, keys))
    lo, hi = (torch.cat(ends).to(torch.int32) for ends in zip(*known, strict=True))
    return next(
        mask for mask in candidates(lo, hi, keys, None) if torch.equal(mask.lo, lo) and torch.equal(mask.hi, hi)
    )


def joined_bias(parts: Sequence[Part], keys: int) -> Bias | None:
    """The bias over all queries of `parts` and `keys` key positions; None if no part has a bias."""
    if all(part.bias is None for part in parts):
        return None
    if len(parts) == 1 and parts[0].mask.keys == keys:
        return parts[0].bias
    by_distance = _by_distance(parts, keys)
    if by_distance is not None:
        return Bias("relative", by_distance, _queries(parts), keys)
    heads = max(part.bias.values.shape[0] for part in parts if part.bias is not None)
    values = torch.zeros(heads, _queries(parts), keys)
    for part in parts:
        if part.bias is not None:
            rows = part.bias.rows(torch.arange(part.bias.queries))
            values[:, part.query : part.query + part.bias.queries, part.key : part.key + part.bias.keys] = rows
    return Bias.fit(values)


def _queries(parts: Sequence[Part]) -> int:
    return parts[-1].query + parts[-1].mask.queries


def _interval(part: Part) -> tuple[Tensor, Tensor] | None:
    """Start and end (exclusive) of each query's keys, as positions; None if some query's keys are not one interval."""
    mask = part.mask
    if mask.bits is None and mask.valid is None:
        return mask.lo + part.key, mask.hi.clamp(min=mask.lo) + part.key
    allowed = mask.allowed(torch.arange(mask.queries))
    if mask.queries > 1 or allowed.shape[0] > 1:
        return None
    open_ = allowed[0, 0].nonzero()[:, 0]
    if not len(open_) or int(open_[-1] - open_[0]) + 1 != len(open_):
        return None
    return open_[:1] + part.key, open_[-1:] + 1 + part.key


def _allowed(parts: Sequence[Part], keys: int) -> Tensor:
    by_part = [part.mask.allowed(torch.arange(part.mask.queries)) for part in parts]
    allowed = torch.zeros(max(each.shape[0] for each in by_part), _queries(parts), keys, dtype=torch.bool)
    for part, each in zip(parts, by_part, strict=True):
        allowed[:, part.query : part.query + part.mask.queries, part.key : part.key + part.mask.keys] = each
    return allowed


def _by_distance(parts: Sequence[Part], keys: int) -> Tensor | None:
    """The values of a `relative` bias, [heads, queries + keys - 1]; None if the parts disagree on the value at some distance."""
    queries = _queries(parts)
    found: Tensor | None = None
    for part in parts:
        bias = part.bias
        if bias is None or (bias.kind != "relative" and bias.queries > 1):
            return None
        values = bias.values if bias.kind == "relative" else bias.rows(torch.zeros(1, dtype=torch.long))[:, 0]
        first = part.key - (part.query + bias.queries - 1) + queries - 1
        if found is None:
            found = torch.full((values.shape[0], queries + keys - 1), torch.nan)
        here = found[:, first : first + values.shape[1]]
        if values.shape[0] != found.shape[0] or not bool((here.isnan() | (here == values)).all()):
            return None
        found[:, first : first + values.shape[1]] = values
    return None if found is None else found.nan_to_num(0.0)
