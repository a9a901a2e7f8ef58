"""Thumbnails: max-pooled attention, filled tile by tile.

A thumbnail shows a part of the attention matrix in at most `size` × `size` cells. Max-pooling keeps single lines visible. A cell
is stored as a byte, round(255·√α): with a linear byte, most of a row that spreads over many keys would round to 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

from attnscope.analysis.token_groups import Part


class Thumbnails:
    """The thumbnails of one layer's heads.

    `pooled` is the number of (queries, keys) per cell; (1, 1) if nothing is pooled. `cells` are the largest weights so far,
    [heads, rows, columns].
    """

    def __init__(self, heads: int, part: Part, size: int) -> None:
        (first_query, end_query), (first_key, end_key) = part.queries, part.keys
        self.part = part
        self.pooled = (-(-(end_query - first_query) // size), -(-(end_key - first_key) // size))
        high, wide = self.pooled
        self.cells = torch.zeros(heads, -(-(end_query - first_query) // high), -(-(end_key - first_key) // wide))

    def add(self, heads: slice, first_row: int, span: slice, weights: Float[Tensor, "heads rows span"]) -> None:
        """Add the weights of consecutive rows, which cover only the keys in `span`.

        A tile that starts inside the part must start a multiple of `pooled[0]` rows after the part's first query.
        """
        (first_query, end_query), (first_key, end_key), (high, wide) = self.part.queries, self.part.keys, self.pooled
        start, end = max(first_row, first_query), min(first_row + weights.shape[1], end_query)
        left, right = max(span.start, first_key), min(span.stop, end_key)
        if start >= end or left >= right:
            return
        inside = weights[:, start - first_row : end - first_row, left - span.start : right - span.start]
        by_row = _largest(inside, 1, high)
        placed = pad(by_row, (left - first_key, end_key - right))
        cell = (start - first_query) // high
        self.cells[heads, cell : cell + by_row.shape[1]] = _largest(placed, 2, wide)

    def bytes(self) -> UInt8[Tensor, "heads rows columns"]:
        """The thumbnails as bytes, round(255·√α)."""
        return (self.cells.clamp(0, 1).sqrt() * 255).round().to(torch.uint8)


def _largest(values: Tensor, dim: int, step: int) -> Tensor:
    """The maximum of every `step` consecutive values along a dimension."""
    if step == 1:
        return values
    over = -values.shape[dim] % step
    if over:
        values = pad(values, (0, over) if dim == 2 else (0, 0, 0, over))
    return values.unflatten(dim, (-1, step)).amax(dim + 1)
