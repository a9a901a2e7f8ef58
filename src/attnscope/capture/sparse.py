"""Sparse attention that names the keys of each query: the same as a mask, so that its weights can be shown exactly.

Models with an indexer (DeepSeek V3.2) put its choice into the mask for transformers' own eager and sdpa functions, and hand it
to any other as `indices` [batch, queries, chosen], one choice for all heads.
"""

from __future__ import annotations

import torch
from torch import Tensor


def names_keys(indices: object, queries: int, keys: int) -> bool:
    """Whether `indices` are the keys of every query of a batch of one."""
    if not isinstance(indices, Tensor) or indices.ndim != 3 or indices.shape[:2] != (1, queries):
        return False
    return not indices.dtype.is_floating_point and bool((indices >= 0).all() and (indices < keys).all())


def chosen_only(mask: Tensor | None, indices: Tensor, keys: int, *, causal: bool) -> Tensor:
    """`mask` [1, heads or 1, queries, keys] (boolean or additive) with all keys closed that are not among `indices`.

    No mask allows the keys before and at each query if `causal`, else all.
    """
    queries = indices.shape[1]
    chosen = torch.zeros(1, 1, queries, keys, dtype=torch.bool, device=indices.device)
    chosen.scatter_(-1, indices[:, None].long(), torch.ones_like(chosen[..., : indices.shape[-1]]))
    if mask is None:
        return chosen.tril(keys - queries) if causal else chosen
    if mask.dtype == torch.bool:
        return mask[..., :keys] & chosen
    return mask[..., :keys].masked_fill(~chosen, torch.finfo(mask.dtype).min)
