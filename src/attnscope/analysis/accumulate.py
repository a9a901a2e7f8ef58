"""The measures of the heads of one layer, added up tile by tile; every weight is read a few times and none is kept.

Sums over many keys (distance, sentences) are one matrix product with a few columns over the keys. What the sinks hold is
taken out of the tile first, so that what is left is never a small difference of large numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.analysis.measure import NAMES
from attnscope.analysis.tile_context import LINES, TileContext, TileContexts
from attnscope.attention import LayerRecord, QKRecord, Tile

_TINY = torch.finfo(torch.float32).tiny

Both = tuple[Tensor, Tensor]
"""A value [heads, rows] over all keys, and without the sinks before the row is brought back to a sum of 1."""


class Sums:
    """The measures of one layer's heads. Tiles of consecutive rows come in any order; each is used up (its weights change)."""

    def __init__(self, grounds: TileContexts, record: LayerRecord) -> None:
        self._grounds = grounds
        # Rows of given weights, and rows all of whose edges were cut, may hold nothing: those count for no measure.
        self._given = not isinstance(record, QKRecord) or record.edited is not None
        self._learned = isinstance(record, QKRecord) and record.sinks is not None
        self._sums = torch.zeros(2, 2, len(NAMES), record.shape.heads, dtype=torch.float64)

    def means(self) -> Float[Tensor, "measures heads"]:
        """Every measure over all keys: the mean over the rows that count; NaN where there is none."""
        return (self._sums[0, 0] / self._sums[0, 1]).float()

    def means_off_sink(self) -> Float[Tensor, "measures heads"]:
        """Every measure without the sinks, rows brought back to a sum of 1."""
        return (self._sums[1, 0] / self._sums[1, 1]).float()

    def add(self, heads: slice, tile: Tile) -> None:
        """Take in a tile of `heads`."""
        if tile.span.stop <= tile.span.start:
            return
        ground = self._grounds.of(tile.rows, tile.span)
        values, total, rest = _values(tile, ground)
        rows = torch.ones_like(total, dtype=torch.bool)
        self._put(0, heads, [both[0] for both in values], ground.counted, total > 0 if self._given else rows)
        entropies = (NAMES.index("entropy"), NAMES.index("normalized_entropy"))
        off = [both[1] if index in entropies else both[1] / rest for index, both in enumerate(values)]
        self._put(1, heads, off, ground.counted_off, rest > 0)

    def _put(
        self, which: int, heads: slice, values: list[Tensor], counted: Tensor, rows: Bool[Tensor, "heads rows"]
    ) -> None:
        chosen = (counted[:, heads] if counted.shape[1] > 1 else counted) & rows
        if not self._learned:
            chosen[NAMES.index("learned_sink")] = False
        self._sums[which, 0, :, heads] += torch.where(chosen, torch.stack(values), 0.0).sum(-1, dtype=torch.float64)
        self._sums[which, 1, :, heads] += chosen.sum(-1)


def _values(tile: Tile, ground: TileContext) -> tuple[list[Both], Tensor, Tensor]:
    """Every measure of every row, in the order of `NAMES`; the sum of each row, and what of it is not on sinks."""
    weights, logs = tile.weights, tile.logs
    lines = _lines(weights, ground)
    first = weights[..., 0].clone() if tile.span.start == 0 else torch.zeros(weights.shape[:2])
    logs.sub_(logs.amax(-1, keepdim=True))  # now ln α - ln max α: no large numbers are added up
    sunk, sunk_logs = weights[..., ground.sinks], logs[..., ground.sinks]
    weights[..., ground.sinks] = 0
    rest, on_sinks = weights.sum(-1), sunk.sum(-1)
    total = rest + on_sinks
    largest_off = weights.amax(-1)
    largest = torch.maximum(largest_off, sunk.amax(-1)) if len(ground.sinks) else largest_off
    shift = largest.clamp(min=_TINY).log()
    left = -(torch.linalg.vecdot(weights, logs) + shift * rest)
    entropy = left - (sunk * sunk_logs).sum(-1) - shift * on_sinks
    entropy_off = left / rest + rest.log()
    nothing = torch.zeros_like(total)
    known: dict[str, Both] = {
        "entropy": (entropy, entropy_off),
        "normalized_entropy": (entropy / ground.log_open, entropy_off / ground.log_open_off),
        "confidence": (largest, largest_off),
        "first_token": (first, first),
        "special_tokens": (sunk[..., ground.special].sum(-1), nothing),
        "sinks": (on_sinks, nothing),
        "learned_sink": (1 - total, nothing),
        **lines,
        **_sums(weights, sunk, ground),
    }
    return [known.get(name, (nothing, nothing)) for name in NAMES], total, rest


def _lines(weights: Tensor, ground: TileContext) -> dict[str, Both]:
    """The measures of single cells."""
    heads, rows = weights.shape[:2]
    picked = weights.flatten(1).index_select(1, ground.cells)
    sums = torch.zeros(2, heads, len(LINES) * rows)
    sums[0].index_add_(1, ground.lines, picked)
    sums[1].index_add_(1, ground.lines, picked * ground.kept)
    raw, off = (one.unflatten(1, (len(LINES), rows)).unbind(1) for one in sums)
    return dict(zip(LINES, zip(raw, off, strict=True), strict=True))


def _sums(weights: Tensor, sunk: Tensor, ground: TileContext) -> dict[str, Both]:
    """Distance, and the weights on each sentence: one product with columns over the keys."""
    if not len(ground.columns):
        return {}
    sums = list((ground.columns @ weights.transpose(1, 2)).unbind(1))
    found: dict[str, Both] = {}
    if ground.aligned:  # Σ α·|i − j| over the keys before the tile's own, after them, and its own
        from_before, before, from_after, after = sums[:4]
        rows = ground.rows
        off = from_before + before * (rows - rows[0]) + from_after + after * (rows[-1] - rows)
        off = off + torch.linalg.vecdot(weights[..., ground.near], ground.apart)
        found["distance"] = off + (sunk * ground.sinks_apart).sum(-1), off
    if ground.sentences:
        on_a, on_b = sums[-2:]
        sunk_a, sunk_b = (sunk @ ground.sinks_in).unbind(-1)
        found["a_to_a"] = found["b_to_a"] = on_a + sunk_a, on_a
        found["a_to_b"] = found["b_to_b"] = on_b + sunk_b, on_b
    return found
