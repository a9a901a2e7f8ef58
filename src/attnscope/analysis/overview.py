"""Thumbnails of every head in one streaming pass that never holds more than a tile of rows of one layer.

A thumbnail is the attention matrix, max-pooled to at most `size` × `size` cells so that lone lines survive, as the square
root in a byte (`round(255·√α)`): a linear byte would lose most of a row that spreads over many keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from attnscope.errors import CancelledError
from attnscope.trace import Trace

SIZE = 64


@dataclass(frozen=True, eq=False)
class LayerOverview:
    """The thumbnails of the heads of one layer. `pooled` is (queries, keys) in one cell, (1, 1) where nothing is pooled."""

    layer: int
    thumbnails: UInt8[Tensor, "heads rows columns"]
    pooled: tuple[int, int]


def overview(
    trace: Trace, stack: str | None = None, *, size: int = SIZE, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[LayerOverview]:
    """The thumbnails of a stack, layer by layer; layers without attention are left out.

    `size` is the most cells on a side. Raises `CancelledError` once `cancelled()` says so (asked before every layer).
    """
    records = trace.traced_stack(stack).records
    for layer, record in enumerate(records):
        if cancelled():
            raise CancelledError("The overview was cancelled.")
        if record is None:
            continue
        high, wide = -(-record.queries // size), -(-record.keys // size)
        heads = torch.arange(record.shape.heads)
        pooled = torch.zeros(len(heads), -(-record.queries // high), -(-record.keys // wide))
        for rows, weights in record.tiles(heads):
            cells = _pool_keys(weights, wide)
            for cell, part in zip(*_cells_of(rows, high), strict=True):
                pooled[:, cell] = torch.maximum(pooled[:, cell], cells[:, part].amax(1))
        yield LayerOverview(layer, (pooled.clamp(0, 1).sqrt() * 255).round().to(torch.uint8), (high, wide))


def _cells_of(rows: Tensor, high: int) -> tuple[list[int], list[slice]]:
    """The thumbnail's rows that the consecutive `rows` fall into, and which of `rows` fall into each."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    cells = list(range(first // high, (end - 1) // high + 1))
    return cells, [slice(max(cell * high, first) - first, min((cell + 1) * high, end) - first) for cell in cells]


def _pool_keys(weights: Float[Tensor, "heads rows keys"], wide: int) -> Float[Tensor, "heads rows cells"]:
    if wide == 1:
        return weights
    padded = torch.nn.functional.pad(weights, (0, -weights.shape[-1] % wide))
    return padded.unflatten(-1, (-1, wide)).amax(-1)
