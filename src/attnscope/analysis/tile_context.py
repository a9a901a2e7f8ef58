"""What the measures of a tile need besides its weights: counts, columns and cells that every layer with one mask shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnscope.analysis.measure import NAMES, OFFSETS, SENTENCES
from attnscope.analysis.repeated_tokens import Pairs, Repeats
from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention import Mask

LINES = (*OFFSETS, "induction", "duplicate_token")
"""The measures of single cells of the matrix."""

_CELLS_KEPT = 2_000_000


@dataclass(frozen=True, eq=False)
class TileContext:
    """What the tile of these `rows`, of which only the keys in `span` matter, needs.

    `sinks` are the sinks among the keys, as places in the span. `log_open` (and `log_open_off`, without the sinks) is the ln of
    the number of keys that a query may look at. `columns` over the keys: if `aligned`, four for distances to the keys that are
    not `near` (the tile's own); with `sentences`, 1 for the keys of A and 1 for those of B. `apart` and `sinks_apart` are the
    distances of the rows to near keys and to sinks, `sinks_in` the sentences of the sinks. `cells` (flat places in a head's
    tile) belong to `lines` (which measure × rows + which row); `kept` are those on no sink. `counted` says for each measure
    which rows count (`counted_off` off sink).
    """

    rows: Int[Tensor, "rows"]
    span: slice
    sinks: Int[Tensor, "sinks"]
    special: Bool[Tensor, "sinks"]
    log_open: Float[Tensor, "_ rows"]
    log_open_off: Float[Tensor, "_ rows"]
    columns: Float[Tensor, "columns span"]
    aligned: bool
    sentences: bool
    sinks_in: Float[Tensor, "sinks 2"]
    near: slice
    apart: Float[Tensor, "rows near"]
    sinks_apart: Float[Tensor, "rows sinks"]
    cells: Int[Tensor, "cells"]
    lines: Int[Tensor, "cells"]
    kept: Float[Tensor, "cells"]
    counted: Bool[Tensor, "measures _ rows"]
    counted_off: Bool[Tensor, "measures _ rows"]


class TileContexts:
    """The grounds of the tiles of every layer with one mask."""

    def __init__(self, layout: TokenGroups, mask: Mask) -> None:
        self.layout = layout
        self.mask = mask
        self._repeats = Repeats(layout)
        self._kept: dict[tuple[int, int], TileContext] = {}
        self._cells = 0
        self._members = torch.stack([layout.keys_of(sentence) for sentence in "AB"])
        self._can_look = {name: _can_look(layout, mask, *pair) for name, pair in SENTENCES.items()}

    def serve(self, layout: TokenGroups, mask: Mask) -> bool:
        """Whether a layer with this layout and mask has these grounds."""
        return layout is self.layout and _same(mask, self.mask)

    def of(self, rows: Tensor, span: slice) -> TileContext:
        """The ground of the tile with these consecutive rows, of which only the keys in `span` matter."""
        where = (int(rows[0]), int(rows[-1]))
        found = self._kept.get(where)
        if found is None:
            found = self._made(rows, span)
            self._cells += len(found.cells)
            if self._cells <= _CELLS_KEPT:  # a text of one word has tokens × tokens of them
                self._kept[where] = found
        return found

    def _made(self, rows: Tensor, span: slice) -> TileContext:
        layout = self.layout
        inside = (layout.sinks >= span.start) & (layout.sinks < span.stop)
        sinks = layout.sinks[inside]
        keys = torch.arange(span.start, span.stop)
        distances = _distances(rows, keys) if layout.aligned else torch.zeros(0, len(keys))
        members = self._members[:, span].float() if bool(self._members.any()) else torch.zeros(0, len(keys))
        near = slice(max(int(rows[0]), span.start), min(int(rows[-1]) + 1, span.stop))
        if near.stop < near.start or not layout.aligned:
            near = slice(span.start, span.start)
        open_, open_off = self.mask.count(rows), self.mask.count(rows, ~layout.is_sink)
        pairs = self._pairs(rows, span)
        allowed = [self.mask.allows(rows[pair.places], pair.keys) for pair in pairs]
        kept = [~layout.is_sink[pair.keys] for pair in pairs]
        any_, any_off = (
            torch.stack([_any(pair.places, ok, len(rows)) for pair, ok in zip(pairs, chosen, strict=True)])
            for chosen in (allowed, [ok & keep for ok, keep in zip(allowed, kept, strict=True)])
        )
        return TileContext(
            rows=rows,
            span=span,
            sinks=sinks - span.start,
            special=layout.special[sinks],
            log_open=open_.float().log(),
            log_open_off=open_off.float().log(),
            columns=torch.cat([distances, members]),
            aligned=layout.aligned,
            sentences=len(members) > 0,
            sinks_in=self._members[:, sinks].T.float(),
            near=slice(near.start - span.start, near.stop - span.start),
            apart=(rows[:, None] - torch.arange(near.start, near.stop)).abs().float(),
            sinks_apart=(rows[:, None] - sinks).abs().float(),
            cells=torch.cat([pair.places * len(keys) + pair.keys - span.start for pair in pairs]),
            lines=torch.cat([pair.places + line * len(rows) for line, pair in enumerate(pairs)]),
            kept=torch.cat(kept).float(),
            counted=self._counted(rows, open_, any_, off_sink=False),
            counted_off=self._counted(rows, open_off, any_off, off_sink=True),
        )

    def _pairs(self, rows: Tensor, span: slice) -> list[Pairs]:
        """The cells of each of `LINES`."""
        none = Pairs(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        if not self.layout.aligned:
            return [none] * len(LINES)
        places = torch.arange(len(rows))
        diagonals = [Pairs(places, rows - offset) for offset in OFFSETS.values()]
        repeated = self._repeats.of(rows) if self._repeats.any else (none, none)
        return [pairs.within(span) for pairs in (*diagonals, *repeated)]

    def _counted(
        self, rows: Tensor, open_: Tensor, lines: Tensor, *, off_sink: bool
    ) -> Bool[Tensor, "measures _ rows"]:
        """For each measure: which rows it is the mean of."""
        layout, some = self.layout, open_ > 0
        never = torch.zeros_like(some)
        special, sinks = bool(layout.special.any()), bool(layout.is_sink.any())
        of: dict[str, Tensor] = {
            "normalized_entropy": open_ > 1,
            "distance": some if layout.aligned else never,
            "first_token": never if off_sink and bool(layout.is_sink[0]) else some,
            "special_tokens": some if special and not off_sink else never,
            "sinks": some if sinks and not off_sink else never,
            "learned_sink": never if off_sink else some,
        }
        for name, (queries, _) in SENTENCES.items():
            of[name] = some & layout.queries_of(queries)[rows] if self._can_look[name][int(off_sink)] else never
        of |= dict(zip(LINES, lines.expand(-1, *some.shape), strict=True))
        return torch.stack([of.get(name, some) for name in NAMES])


def _any(places: Tensor, allowed: Bool[Tensor, "_ pairs"], rows: int) -> Bool[Tensor, "_ rows"]:
    """Whether a row has any pair that is allowed."""
    return torch.zeros(allowed.shape[0], rows, dtype=torch.int32).index_add_(1, places, allowed.int()) > 0


def _distances(rows: Tensor, keys: Tensor) -> Float[Tensor, "4 keys"]:
    """For the keys before the tile's own, and for those after: how many tokens from its edge, and 1."""
    before, after = (keys < rows[0]).float(), (keys > rows[-1]).float()
    return torch.stack([before * (rows[0] - keys), before, after * (keys - rows[-1]), after])


def _can_look(layout: TokenGroups, mask: Mask, of: str, on: str) -> tuple[bool, bool]:
    """Whether any query of one sentence may look at any key of another; the same without the sinks."""
    queries, keys = layout.queries_of(of).nonzero()[:, 0], layout.keys_of(on)
    if not len(queries) or not bool(keys.any()):
        return False, False
    return bool(mask.count(queries, keys).any()), bool(mask.count(queries, keys & ~layout.is_sink).any())


def _same(one: Mask, other: Mask) -> bool:
    """Whether two masks allow the same, as far as their descriptions tell."""
    if one is other:
        return True
    if one.keys != other.keys or one.queries != other.queries:
        return False
    pairs = ((one.lo, other.lo), (one.hi, other.hi), (one.valid, other.valid), (one.bits, other.bits))
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)
