"""Sparse attention that lists the keys of each query: turned into a mask, so that its weights can be shown exactly.

Models with an indexer (DeepSeek V3.2) put the selected keys into the mask for transformers' own eager and sdpa
functions, and pass them to any other function as `indices` [batch, queries, selected], the same selection for all
heads.
"""

from __future__ import annotations

import torch
from torch import Tensor


def is_key_selection(indices: object, queries: int, keys: int) -> bool:
    """Whether `indices` lists the selected keys of every query, for a batch of one."""
    if not isinstance(indices, Tensor) or indices.ndim != 3 or indices.shape[:2] != (1, queries):
        return False
    return not indices.dtype.is_floating_point and bool((indices >= 0).all() and (indices < keys).all())


def mask_to_selection(mask: Tensor | None, indices: Tensor, keys: int, *, causal: bool) -> Tensor:
    """Mask all keys that are not in `indices`, in `mask` [1, heads or 1, queries, keys] (boolean or additive).

    Without a mask, `causal` allows the keys up to each query; otherwise all keys are allowed.
    """
    queries = indices.shape[1]
    chosen = torch.zeros(1, 1, queries, keys, dtype=torch.bool, device=indices.device)
    chosen.scatter_(-1, indices[:, None].long(), torch.ones_like(chosen[..., : indices.shape[-1]]))
    if mask is None:
        return chosen.tril(keys - queries) if causal else chosen
    if mask.dtype == torch.bool:
        return mask[..., :keys] & chosen
    return mask[..., :keys].masked_fill(~chosen, torch.finfo(mask.dtype).min)
