"""Thumbnails and measures of every head, in one streaming pass that never holds more than a tile of rows of one layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from attnscope.analysis.accumulate import Sums
from attnscope.analysis.thumbnails import Thumbnails
from attnscope.analysis.tile_context import TileContexts
from attnscope.analysis.token_groups import Part, TokenGroups, mask_of
from attnscope.attention import LayerRecord
from attnscope.errors import CancelledError
from attnscope.trace import Trace

SIZE = 64

_ROWS_AT_ONCE = 128
_WEIGHTS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class LayerOverview:
    """The heads of one layer.

    `thumbnails` show `part`; `pooled` is (queries, keys) in one of their cells, (1, 1) where nothing is pooled. `measures` and
    `measures_off_sink` have the measures of `attnscope.analysis.MEASURES` in their order, over the whole input.
    """

    layer: int
    thumbnails: UInt8[Tensor, "heads rows columns"]
    pooled: tuple[int, int]
    part: Part
    measures: Float[Tensor, "measures heads"]
    measures_off_sink: Float[Tensor, "measures heads"]


def overview(
    trace: Trace,
    stack: str | None = None,
    *,
    size: int = SIZE,
    filter: str | None = None,  # noqa: A002 - the word of the messages and the interface
    measured: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[LayerOverview]:
    """Thumbnails and measures of a stack, layer by layer; layers without attention are left out.

    `size` is the most cells on a side. With `filter` (`AA`, `AB`, `BA`, `BB`: queries of the first sentence, keys of the
    second) the thumbnails are of that part alone. Without `measured` there are no measures, and less is computed. Raises
    `InputError` for a filter where there are no sentences, `CancelledError` once `cancelled()` says so (asked before every tile).
    """
    layout = TokenGroups.of(trace, stack)
    part = layout.part(filter)
    known: list[TileContexts] = []
    for layer, record in enumerate(trace.traced_stack(stack).records):
        if record is None:
            continue
        fits = layout.fits(record)
        own = layout if fits else layout.resized(record)
        heads = record.shape.heads
        thumbnails = Thumbnails(heads, part if fits else own.part(None), size)
        sums = Sums(_grounds(known, own, record), record) if measured else None
        for which, rows in _tiles(record, thumbnails):
            if cancelled():
                raise CancelledError("The overview was cancelled.")
            tile = record.tile(which, rows)
            chosen = slice(int(which[0]), int(which[-1]) + 1)
            thumbnails.add(chosen, int(rows[0]), tile.span, tile.weights)
            if sums is not None:
                sums.add(chosen, tile)
        unknown = torch.full((0, heads), torch.nan)
        yield LayerOverview(
            layer,
            thumbnails.bytes(),
            thumbnails.pooled,
            thumbnails.part,
            unknown if sums is None else sums.means(),
            unknown if sums is None else sums.means_off_sink(),
        )


def _grounds(known: list[TileContexts], layout: TokenGroups, record: LayerRecord) -> TileContexts:
    """What a layer shares with others of the same mask, of which `known` keeps the ones seen so far."""
    mask = mask_of(record, causal=layout.causal)
    for grounds in known:
        if grounds.serve(layout, mask):
            return grounds
    known.append(TileContexts(layout, mask))
    return known[-1]


def _tiles(record: LayerRecord, thumbnails: Thumbnails) -> Iterator[tuple[Tensor, Tensor]]:
    """Heads and consecutive rows of each tile. Within the thumbnails' part a tile begins where a cell does."""
    high = thumbnails.pooled[0]
    step = high * max(1, _ROWS_AT_ONCE // high)
    starts = [0, *range(thumbnails.part.queries[0] % step or step, record.queries, step), record.queries]
    some = max(1, _WEIGHTS_AT_ONCE // (step * record.keys))
    for which in torch.arange(record.shape.heads).split(some):
        for start, end in pairwise(starts):
            if end > start:
                yield which, torch.arange(start, end)
