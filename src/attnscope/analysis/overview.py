"""Thumbnails and measures of every head in one streaming pass that holds only one tile of rows of one layer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from attnscope.analysis.accumulate import Sums
from attnscope.analysis.difference_thumbnails import DifferenceThumbnails, LayerDifference
from attnscope.analysis.thumbnails import Thumbnails
from attnscope.analysis.tile_context import TileContexts
from attnscope.analysis.token_groups import Part, TokenGroups, mask_of
from attnscope.attention import LayerRecord
from attnscope.errors import CancelledError
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence

SIZE = 64

_ROWS_AT_ONCE = 128
_WEIGHTS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class LayerOverview:
    """Thumbnails and measures of the heads of one layer.

    Attributes:
        layer: The layer.
        thumbnails: Max-pooled attention of `part`, [heads, rows, columns], uint8: round(255·√α).
        pooled: The number of (queries, keys) in one cell of a thumbnail; (1, 1) if nothing is pooled.
        part: The part of the attention matrix that the thumbnails show.
        measures: The measures of `attnscope.analysis.MEASURES`, in that order, over the whole input, [measures, heads].
        measures_off_sink: The same without attention sinks.
        difference: The difference from a baseline; None without one.
    """

    layer: int
    thumbnails: UInt8[Tensor, "heads rows columns"]
    pooled: tuple[int, int]
    part: Part
    measures: Float[Tensor, "measures heads"]
    measures_off_sink: Float[Tensor, "measures heads"]
    difference: LayerDifference | None = None


def overview(
    trace: Trace,
    stack: str | None = None,
    *,
    size: int = SIZE,
    filter: str | None = None,  # noqa: A002 - the name used in messages and on the page
    measured: bool = True,
    baseline: Trace | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[LayerOverview]:
    """Iterate over the layers of a stack and compute thumbnails and measures of their heads.

    Layers without attention are skipped. Never holds more than one tile of rows of one layer.

    Args:
        trace: The trace.
        stack: The stack; optional if the trace has only one.
        size: The largest number of cells per side of a thumbnail.
        filter: Restrict the thumbnails to one part of the matrix: `AA`, `AB`, `BA` or `BB`, the sentence of the queries and that
            of the keys. Default: everything.
        measured: If False, skip the measures; they then have the shape [0, heads].
        baseline: Also compute thumbnails of the difference from this pass, of the same part. Layers whose attention is computed
            from the same numbers are not computed again.
        cancelled: Called before every tile; return True to stop.

    Raises:
        InputError: The stack or filter is unknown, the stack's tokens do not belong to two sentences, or nothing corresponds to
            the baseline.
        CancelledError: `cancelled()` returned True.
    """
    groups = TokenGroups.of(trace, stack)
    part = groups.part(filter)
    found = None if baseline is None else Correspondence.of(trace, baseline)
    known: list[TileContexts] = []
    for layer, record in enumerate(trace.traced_stack(stack).records):
        if record is None:
            continue
        fits = groups.fits(record)
        own = groups if fits else groups.resized(record)
        heads = record.shape.heads
        thumbnails = Thumbnails(heads, part if fits else own.part(None), size)
        changes = None if found is None else DifferenceThumbnails(found, layer, stack, thumbnails.part, size)
        sums = Sums(_contexts_of(known, own, record), record) if measured else None
        for which, rows in _tiles(record, thumbnails):
            if cancelled():
                raise CancelledError("The overview was cancelled.")
            tile = record.tile(which, rows)
            chosen = slice(int(which[0]), int(which[-1]) + 1)
            thumbnails.add(chosen, int(rows[0]), tile.span, tile.weights)
            if changes is not None and not changes.equal:
                changes.add(which, tile)
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
            None if changes is None else changes.result(),
        )


def _contexts_of(known: list[TileContexts], groups: TokenGroups, record: LayerRecord) -> TileContexts:
    """The contexts that layers with the same mask share. `known` collects those seen so far."""
    mask = mask_of(record, groups)
    for contexts in known:
        if contexts.match(groups, mask):
            return contexts
    known.append(TileContexts(groups, mask))
    return known[-1]


def _tiles(record: LayerRecord, thumbnails: Thumbnails) -> Iterator[tuple[Tensor, Tensor]]:
    """The heads and consecutive rows of each tile. Within the thumbnails' part, tiles start at the boundary of a cell."""
    high = thumbnails.pooled[0]
    step = high * max(1, _ROWS_AT_ONCE // high)
    starts = [0, *range(thumbnails.part.queries[0] % step or step, record.queries, step), record.queries]
    some = max(1, _WEIGHTS_AT_ONCE // (step * record.keys))
    for which in torch.arange(record.shape.heads).split(some):
        for start, end in pairwise(starts):
            if end > start:
                yield which, torch.arange(start, end)
