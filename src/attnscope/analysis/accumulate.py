"""Accumulate the measures of one layer's heads tile by tile, without keeping the attention weights.

Sums over many keys (distance, sentences) are a single matrix product with a few columns over the keys. The weights on sinks are
removed from the tile first, so that the rest is never computed as a small difference of large numbers.
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
"""A value per head and row, [heads, rows]: over all keys, and without the sinks, before rows are renormalized."""


class Sums:
    """Running sums of the measures of one layer's heads. Tiles may come in any order; `add` overwrites their weights."""

    def __init__(self, contexts: TileContexts, record: LayerRecord) -> None:
        self._contexts = contexts
        # Rows of weights without q and k, and rows whose edges were all cut, may be all zeros: no measure counts those.
        self._rows_may_be_empty = not isinstance(record, QKRecord) or record.edited is not None
        self._has_learned_sink = isinstance(record, QKRecord) and record.sinks is not None
        self._sums = torch.zeros(2, 2, len(NAMES), record.shape.heads, dtype=torch.float64)

    def means(self) -> Float[Tensor, "measures heads"]:
        """Every measure over all keys, averaged over the rows where it is defined; NaN if there are none."""
        return (self._sums[0, 0] / self._sums[0, 1]).float()

    def means_off_sink(self) -> Float[Tensor, "measures heads"]:
        """Every measure without the sinks, from renormalized rows."""
        return (self._sums[1, 0] / self._sums[1, 1]).float()

    def add(self, heads: slice, tile: Tile) -> None:
        """Add a tile of `heads` to the sums."""
        if tile.span.stop <= tile.span.start:
            return
        context = self._contexts.of(tile.rows, tile.span)
        values, total, rest = _values(tile, context)
        rows = torch.ones_like(total, dtype=torch.bool)
        self._put(
            0, heads, [both[0] for both in values], context.counted, total > 0 if self._rows_may_be_empty else rows
        )
        entropies = (NAMES.index("entropy"), NAMES.index("normalized_entropy"))
        off = [both[1] if index in entropies else both[1] / rest for index, both in enumerate(values)]
        self._put(1, heads, off, context.counted_off, rest > 0)

    def _put(
        self, which: int, heads: slice, values: list[Tensor], counted: Tensor, rows: Bool[Tensor, "heads rows"]
    ) -> None:
        chosen = (counted[:, heads] if counted.shape[1] > 1 else counted) & rows
        if not self._has_learned_sink:
            chosen[NAMES.index("learned_sink")] = False
        self._sums[which, 0, :, heads] += torch.where(chosen, torch.stack(values), 0.0).sum(-1, dtype=torch.float64)
        self._sums[which, 1, :, heads] += chosen.sum(-1)


def _values(tile: Tile, context: TileContext) -> tuple[list[Both], Tensor, Tensor]:
    """Every measure of every row, in the order of `NAMES`; the sum of each row, and the part of it that is not on sinks."""
    weights, logs = tile.weights, tile.logs
    lines = _lines(weights, context)
    at = context.first
    first = torch.zeros(weights.shape[:2]) if at is None else weights[..., at].clone()
    logs.sub_(logs.amax(-1, keepdim=True))  # now ln α - ln max α, so that no large numbers are summed
    sink_weights, sink_logs = weights[..., context.sinks], logs[..., context.sinks]
    weights[..., context.sinks] = 0
    rest, sink_mass = weights.sum(-1), sink_weights.sum(-1)
    total = rest + sink_mass
    largest_off = weights.amax(-1)
    largest = torch.maximum(largest_off, sink_weights.amax(-1)) if len(context.sinks) else largest_off
    shift = largest.clamp(min=_TINY).log()
    left = -(torch.linalg.vecdot(weights, logs) + shift * rest)
    entropy = left - (sink_weights * sink_logs).sum(-1) - shift * sink_mass
    entropy_off = left / rest + rest.log()
    nothing = torch.zeros_like(total)
    known: dict[str, Both] = {
        "entropy": (entropy, entropy_off),
        "normalized_entropy": (entropy / context.log_open, entropy_off / context.log_open_off),
        "confidence": (largest, largest_off),
        "first_token": (first, first),
        "special_tokens": (sink_weights[..., context.special].sum(-1), nothing),
        "sinks": (sink_mass, nothing),
        "learned_sink": (1 - total, nothing),
        **lines,
        **_sums(weights, sink_weights, context),
    }
    return [known.get(name, (nothing, nothing)) for name in NAMES], total, rest


def _lines(weights: Tensor, context: TileContext) -> dict[str, Both]:
    """The measures of single cells: offsets, induction and duplicate tokens."""
    heads, rows = weights.shape[:2]
    picked = weights.flatten(1).index_select(1, context.cells)
    sums = torch.zeros(2, heads, len(LINES) * rows)
    sums[0].index_add_(1, context.lines, picked)
    sums[1].index_add_(1, context.lines, picked * context.kept)
    raw, off = (one.unflatten(1, (len(LINES), rows)).unbind(1) for one in sums)
    return dict(zip(LINES, zip(raw, off, strict=True), strict=True))


def _sums(weights: Tensor, sink_weights: Tensor, context: TileContext) -> dict[str, Both]:
    """Distance and the weights on each sentence, from one product with columns over the keys."""
    if not len(context.columns):
        return {}
    sums = list((context.columns @ weights.transpose(1, 2)).unbind(1))
    found: dict[str, Both] = {}
    if context.aligned:  # Σ α·|i − j| over the keys before the tile's rows, after them, and at the rows themselves
        from_before, before, from_after, after = sums[:4]
        rows = context.rows
        off = from_before + before * (rows - rows[0]) + from_after + after * (rows[-1] - rows)
        off = off + torch.linalg.vecdot(weights[..., context.near], context.apart)
        found["distance"] = off + (sink_weights * context.sinks_apart).sum(-1), off
    if context.sentences:
        on_a, on_b = sums[-2:]
        sinks_a, sinks_b = (sink_weights @ context.sinks_in).unbind(-1)
        found["a_to_a"] = found["b_to_a"] = on_a + sinks_a, on_a
        found["a_to_b"] = found["b_to_b"] = on_b + sinks_b, on_b
    return found
