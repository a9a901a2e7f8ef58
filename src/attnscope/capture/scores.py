"""Scores of single rows, computed from the arguments of the attention function. Edits of weights start from them.

The equations are those of `attnscope.attention.record`, for any row of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attnscope.edits.apply import Scores, ScoresOf


def scores_of(query: Tensor, key: Tensor, mask: Tensor | None, options: Mapping[str, Any], *, causal: bool) -> ScoresOf:
    """Return a function that maps a batch row, a head and queries to their scores, in float32 or higher precision.

    The arguments have the shapes that transformers passes. `mask` is boolean or additive; without a mask, `causal` decides
    whether later keys are masked. The precision is that of the model where it is higher than float32.
    """
    option = options.get("scaling")
    scaling = float(option) if option is not None else query.shape[-1] ** -0.5
    softcap, bias, sinks = options.get("softcap"), options.get("position_bias"), options.get("s_aux")
    exact = torch.promote_types(query.dtype, torch.float32)
    queries, keys = query.shape[2], key.shape[2]

    def scores(row: int, head: int, at: Tensor) -> Scores:
        at = at.to(query.device)
        shared = key[row, head * key.shape[1] // query.shape[1]].to(exact)
        found = (query[row, head, at].to(exact) * scaling) @ shared.T
        if softcap is not None:
            found = torch.tanh(found / softcap) * softcap
        if bias is not None:
            found = found + _of(bias, row, head)[-queries:, :keys].expand(queries, keys)[at].to(found)
        if mask is not None:
            own = _of(mask, row, head).expand(queries, keys)[at]
            allowed = own if own.dtype == torch.bool else own > torch.finfo(own.dtype).min / 2
            if own.dtype != torch.bool:
                found = found + torch.where(allowed, own, 0).to(found)
            found = found.masked_fill(~allowed, -torch.inf)
        elif causal:
            found = found.masked_fill(torch.arange(keys, device=found.device) > at[:, None], -torch.inf)
        return Scores(found, None if sinks is None else sinks.reshape(-1)[head].to(found))

    return scores


def _of(tensor: Tensor, row: int, head: int) -> Tensor:
    """The part of a tensor [batch or 1, heads or 1, …] that belongs to one row of the batch and one head."""
    return tensor[row if tensor.shape[0] > 1 else 0, head if tensor.shape[1] > 1 else 0]
