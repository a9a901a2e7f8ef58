"""The measures of the heads of one layer, added up tile by tile; every weight is read a few times and none is kept.

Sums over many keys (distance, sentences) are one matrix product with a few columns over the keys. What the sinks hold is
taken out of the tile first, so that what is left is never a small difference of large numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.analysis.layout import Layout
from attnscope.analysis.measures import NAMES, OFFSETS, SENTENCES
from attnscope.analysis.repeats import Pairs, Repeats
from attnscope.attention import LayerRecord, Mask, QKRecord, Tile

_INDEX = {name: index for index, name in enumerate(NAMES)}


class _Means:
    """Sums and counts of every measure and head."""

    def __init__(self, heads: int) -> None:
        self._sums = torch.zeros(len(NAMES), heads, dtype=torch.float64)
        self._counts = torch.zeros(len(NAMES), heads, dtype=torch.float64)

    def add(
        self, name: str, heads: slice, values: Float[Tensor, "heads rows"], counted: Bool[Tensor, "*any rows"]
    ) -> None:
        """Take in one value for every row that is `counted`."""
        counted = counted.expand(values.shape)
        self._sums[_INDEX[name], heads] += torch.where(counted, values, 0.0).sum(-1, dtype=torch.float64)
        self._counts[_INDEX[name], heads] += counted.sum(-1)

    def means(self) -> Float[Tensor, "measures heads"]:
        """The mean over the rows that were counted; NaN where there was none."""
        return (self._sums / self._counts).float()


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some heads' rows without their sinks: the weights left, their sum, which rows count. `span`: the keys that are there."""

    heads: slice
    rows: Tensor
    span: slice
    weights: Float[Tensor, "heads rows span"]
    total: Float[Tensor, "heads rows"]
    rest: Float[Tensor, "heads rows"]
    some: Bool[Tensor, "_ rows"]
    left: Bool[Tensor, "_ rows"]
    sinks: Tensor
    sunk: Float[Tensor, "heads rows sinks"]


class Sums:
    """The measures of one layer's heads. Tiles of consecutive rows come in any order; each is used up (its weights change)."""

    def __init__(self, layout: Layout, mask: Mask, record: LayerRecord, repeats: Repeats) -> None:
        self._layout = layout
        self._mask = mask
        self._given = not isinstance(record, QKRecord)
        self._learned = isinstance(record, QKRecord) and record.sinks is not None
        self._repeats = repeats
        self._all = _Means(record.shape.heads)
        self._off = _Means(record.shape.heads)
        self._sentences = [
            (name, layout.queries_of(of), layout.keys_of(on), _can_look(layout, mask, of, on))
            for name, (of, on) in SENTENCES.items()
        ]

    def means(self) -> Float[Tensor, "measures heads"]:
        """Every measure over all keys."""
        return self._all.means()

    def means_off_sink(self) -> Float[Tensor, "measures heads"]:
        """Every measure without the sinks, rows brought back to a sum of 1."""
        return self._off.means()

    def add(self, heads: slice, tile: Tile) -> None:
        """Take in a tile of `heads`."""
        if tile.span.stop <= tile.span.start:
            return
        weights, logs, span = tile.weights, tile.logs, tile.span
        lines = self._lines(heads, tile)
        first = weights[..., 0].clone() if span.start == 0 else torch.zeros(weights.shape[:2])
        largest_log = logs.amax(-1, keepdim=True)
        logs.sub_(largest_log)  # now ln α - ln max α: no large numbers are added up
        inside = (self._layout.sinks >= span.start) & (self._layout.sinks < span.stop)
        sinks = self._layout.sinks[inside]
        sunk, sunk_logs = weights[..., sinks - span.start], logs[..., sinks - span.start]
        weights[..., sinks - span.start] = 0
        rest = weights.sum(-1)
        total = rest + sunk.sum(-1)
        open_ = self._of(heads, self._mask.count(tile.rows))
        open_off = self._of(heads, self._mask.count(tile.rows, ~self._layout.is_sink))
        some = total > 0 if self._given else open_ > 0
        rows = _Rows(heads, tile.rows, span, weights, total, rest, some, (rest > 0) & (open_off > 0), sinks, sunk)

        largest_off = weights.amax(-1)
        largest = torch.maximum(largest_off, sunk.amax(-1)) if len(sinks) else largest_off
        self._put("confidence", rows, largest, largest_off)
        shift = largest.clamp(min=torch.finfo(torch.float32).tiny).log()
        off = -(torch.linalg.vecdot(weights, logs) + shift * rest)
        entropy = off - (sunk * sunk_logs).sum(-1) - shift * (total - rest)
        self._put_entropies(rows, entropy, off, open_, open_off)
        self._put_masses(rows, first)
        self._put_sums(rows)
        for name, (values, counted, counted_off) in lines.items():
            self._all.add(name, heads, values[0], counted & some)
            self._off.add(name, heads, values[1] / rest, counted_off & rows.left)

    def _put(self, name: str, rows: _Rows, values: Tensor, off: Tensor, counted: Tensor | None = None) -> None:
        """A measure of every row (that is `counted`); `off` is without the sinks, before the row is brought back to 1."""
        chosen = torch.ones_like(rows.rows, dtype=torch.bool) if counted is None else counted
        self._all.add(name, rows.heads, values, rows.some & chosen)
        self._off.add(name, rows.heads, off / rows.rest, rows.left & chosen)

    def _put_entropies(self, rows: _Rows, entropy: Tensor, off: Tensor, open_: Tensor, open_off: Tensor) -> None:
        off = off / rows.rest + rows.rest.log()
        self._all.add("entropy", rows.heads, entropy, rows.some)
        self._off.add("entropy", rows.heads, off, rows.left)
        self._all.add("normalised_entropy", rows.heads, entropy / open_.float().log(), rows.some & (open_ > 1))
        self._off.add("normalised_entropy", rows.heads, off / open_off.float().log(), rows.left & (open_off > 1))

    def _put_masses(self, rows: _Rows, first: Tensor) -> None:
        """The weight on the first token, on special tokens and on all sinks."""
        layout, heads = self._layout, rows.heads
        self._all.add("first_token", heads, first, rows.some)
        if not bool(layout.is_sink[0]):
            self._off.add("first_token", heads, first / rows.rest, rows.left)
        if bool(layout.special.any()):
            self._all.add("special_tokens", heads, rows.sunk[..., layout.special[rows.sinks]].sum(-1), rows.some)
        if len(layout.sinks):
            self._all.add("sinks", heads, rows.sunk.sum(-1), rows.some)
        if self._learned:
            self._all.add("learned_sink", heads, 1 - rows.total, rows.some)

    def _put_sums(self, rows: _Rows) -> None:
        """Distance, and the weights between sentences: one product with columns over the keys."""
        layout, span = self._layout, rows.span
        keys = torch.arange(span.start, span.stop)
        columns: list[Tensor] = []
        if layout.aligned:
            columns += _distances_outside(rows.rows, keys)
        known = [entry for entry in self._sentences if bool(entry[3][0])]
        columns += [on[span].float() for _, _, on, _ in known]
        if not columns:
            return
        sums = (torch.stack(columns) @ rows.weights.transpose(1, 2)).unbind(1)
        if layout.aligned:
            self._put("distance", rows, *_distance(rows, sums[:4]))
        for (name, of, on, (_, off_sink)), sum_ in zip(known, sums[-len(known) :] if known else (), strict=True):
            counted = of[rows.rows]
            self._all.add(name, rows.heads, sum_ + rows.sunk @ on[rows.sinks].float(), rows.some & counted)
            if off_sink:
                self._off.add(name, rows.heads, sum_ / rows.rest, rows.left & counted)

    def _lines(self, heads: slice, tile: Tile) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """The measures of single cells: (values over all keys and off sink, which rows count over all keys, which off sink)."""
        layout, rows, span = self._layout, tile.rows, tile.span
        if not layout.aligned:
            return {}
        pairs: dict[str, Pairs] = {}
        for name, offset in OFFSETS.items():
            keys = rows - offset
            there = (keys >= 0) & (keys < layout.keys)
            pairs[name] = Pairs(torch.arange(len(rows))[there], keys[there])
        if self._repeats.any:
            pairs["induction"], pairs["duplicate_token"] = self._repeats.of(rows)
        found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        for name, all_pairs in pairs.items():
            chosen = all_pairs.within(span)
            allowed = self._of(heads, self._mask.allows(rows[chosen.places], chosen.keys))
            kept = ~layout.is_sink[chosen.keys]
            weights = chosen.of(tile.weights, span)
            values = torch.stack([chosen.sum(weights, len(rows)), chosen.sum(weights * kept, len(rows))])
            counts = chosen.sum(allowed.int(), len(rows)), chosen.sum((allowed & kept).int(), len(rows))
            found[name] = values, counts[0] > 0, counts[1] > 0
        return found

    def _of(self, heads: slice, by_head: Tensor) -> Tensor:
        """The part of `heads`, where the heads differ at all."""
        return by_head[heads] if by_head.shape[0] > 1 else by_head


def _can_look(layout: Layout, mask: Mask, of: str, on: str) -> tuple[bool, bool]:
    """Whether any query of one sentence may look at any key of another; the same without the sinks."""
    queries, keys = layout.queries_of(of).nonzero()[:, 0], layout.keys_of(on)
    if not len(queries) or not bool(keys.any()):
        return False, False
    return bool(mask.count(queries, keys).any()), bool(mask.count(queries, keys & ~layout.is_sink).any())


def _distances_outside(rows: Tensor, keys: Tensor) -> list[Tensor]:
    """Columns over the keys before and after the tile's own: how many tokens from its edge, and 1 for each."""
    before, after = (keys < rows[0]).float(), (keys > rows[-1]).float()
    return [before * (rows[0] - keys), before, after * (keys - rows[-1]), after]


def _distance(rows: _Rows, outside: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Σ α·|i − j| over all keys and off sink (not yet brought back to a sum of 1)."""
    from_before, before, from_after, after = outside
    first, last, span = int(rows.rows[0]), int(rows.rows[-1]), rows.span
    off = from_before + before * (rows.rows - first) + from_after + after * (last - rows.rows)
    left, right = max(first, span.start), min(last + 1, span.stop)
    if left < right:
        apart = (rows.rows[:, None] - torch.arange(left, right)).abs().float()
        off = off + torch.linalg.vecdot(rows.weights[..., left - span.start : right - span.start], apart)
    sunk = (rows.sunk * (rows.rows[:, None] - rows.sinks).abs()).sum(-1)
    return off + sunk, off
