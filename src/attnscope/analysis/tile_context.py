"""Counts, columns and cells that the measures of a tile need besides its weights; shared by all layers with the same mask."""

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
"""The measures that read single cells of the matrix."""

_CELLS_KEPT = 2_000_000


@dataclass(frozen=True, eq=False)
class TileContext:
    """The context of a tile with these `rows`, restricted to the keys in `span`.

    Attributes:
        sinks: The attention sinks among the keys, as indices within the span; `special` marks special tokens among them.
        first: The first token of the text, as an index within the span; None if it is outside.
        log_open: ln of the number of keys that each query may attend to; `log_open_off` does not count sinks.
        columns: Factors over the keys. If `aligned`, four columns for the distances to keys outside `near`, the keys at the
            tile's own positions; if `sentences`, one column that marks the keys of A and one for B.
        apart: The distances from the rows to the near keys; `sinks_apart` those to the sinks.
        sinks_in: Which sentence each sink belongs to.
        cells: Flat indices of single cells in a head's tile; `lines` is where each is summed (measure × number of rows + row),
            `kept` is 1 for cells that are not on a sink.
        counted: The rows over which each measure is averaged; `counted_off` off sink.
    """

    rows: Int[Tensor, "rows"]
    span: slice
    sinks: Int[Tensor, "sinks"]
    special: Bool[Tensor, "sinks"]
    first: int | None
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
    """The tile contexts shared by all layers with the same mask."""

    def __init__(self, groups: TokenGroups, mask: Mask) -> None:
        self.groups = groups
        self.mask = mask
        self._repeats = Repeats(groups)
        self._kept: dict[tuple[int, int], TileContext] = {}
        self._cells = 0
        self._members = torch.stack([groups.keys_of(sentence) for sentence in "AB"])

    def match(self, groups: TokenGroups, mask: Mask) -> bool:
        """Whether these contexts apply to a layer with this mask and these token groups."""
        return groups is self.groups and self.mask.same(mask)

    def of(self, rows: Tensor, span: slice) -> TileContext:
        """The context of the tile with these consecutive rows, restricted to the keys in `span`."""
        where = (int(rows[0]), int(rows[-1]))
        found = self._kept.get(where)
        if found is None:
            found = self._build(rows, span)
            self._cells += len(found.cells)
            if self._cells <= _CELLS_KEPT:  # a text that repeats one word has tokens × tokens of them
                self._kept[where] = found
        return found

    def _build(self, rows: Tensor, span: slice) -> TileContext:
        groups = self.groups
        inside = (groups.sinks >= span.start) & (groups.sinks < span.stop)
        sinks = groups.sinks[inside]
        keys = torch.arange(span.start, span.stop)
        distances = _distances(rows, keys) if groups.aligned else torch.zeros(0, len(keys))
        members = self._members[:, span].float() if bool(self._members.any()) else torch.zeros(0, len(keys))
        near = slice(max(int(rows[0]), span.start), min(int(rows[-1]) + 1, span.stop))
        if near.stop < near.start or not groups.aligned:
            near = slice(span.start, span.start)
        open_, open_off = self.mask.count(rows), self.mask.count(rows, ~groups.is_sink)
        pairs = self._pairs(rows, span)
        allowed = [self.mask.allows(rows[pair.places], pair.keys) for pair in pairs]
        kept = [~groups.is_sink[pair.keys] for pair in pairs]
        any_, any_off = (
            torch.stack([_any(pair.places, ok, len(rows)) for pair, ok in zip(pairs, chosen, strict=True)])
            for chosen in (allowed, [ok & keep for ok, keep in zip(allowed, kept, strict=True)])
        )
        return TileContext(
            rows=rows,
            span=span,
            sinks=sinks - span.start,
            special=groups.special[sinks],
            first=groups.first - span.start if span.start <= groups.first < span.stop else None,
            log_open=open_.float().log(),
            log_open_off=open_off.float().log(),
            columns=torch.cat([distances, members]),
            aligned=groups.aligned,
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
        if not self.groups.aligned:
            return [none] * len(LINES)
        places = torch.arange(len(rows))
        diagonals = [Pairs(places, rows - offset) for offset in OFFSETS.values()]
        repeated = self._repeats.of(rows) if self._repeats.any else (none, none)
        return [pairs.within(span) for pairs in (*diagonals, *repeated)]

    def _counted(
        self, rows: Tensor, open_: Tensor, lines: Tensor, *, off_sink: bool
    ) -> Bool[Tensor, "measures _ rows"]:
        """The rows over which each measure is averaged: those of the text that may attend to any of the measure's keys."""
        groups, kept = self.groups, ~self.groups.is_sink if off_sink else torch.ones(self.groups.keys, dtype=torch.bool)
        some = (open_ > 0) & groups.counted[rows]
        never = torch.zeros_like(some)

        def reaching(keys: Tensor) -> Tensor:
            return some & (self.mask.count(rows, keys & kept) > 0)

        first = torch.zeros(groups.keys, dtype=torch.bool)
        first[groups.first : groups.first + 1] = True
        of: dict[str, Tensor] = {
            "normalized_entropy": some & (open_ > 1),
            "distance": some if groups.aligned else never,
            "first_token": reaching(first),
            "special_tokens": reaching(groups.special),
            "sinks": reaching(groups.is_sink),
            "learned_sink": never if off_sink else some,
        }
        for name, (queries, keys) in SENTENCES.items():
            members = groups.queries_of(queries)[rows]
            of[name] = reaching(groups.keys_of(keys)) & members if bool(members.any()) else never
        of |= dict(zip(LINES, some & lines.expand(-1, *some.shape), strict=True))
        return torch.stack([of.get(name, some) for name in NAMES])


def _any(places: Tensor, allowed: Bool[Tensor, "_ pairs"], rows: int) -> Bool[Tensor, "_ rows"]:
    """Whether a row has any pair whose key is not masked."""
    return torch.zeros(allowed.shape[0], rows, dtype=torch.int32).index_add_(1, places, allowed.int()) > 0


def _distances(rows: Tensor, keys: Tensor) -> Float[Tensor, "4 keys"]:
    """Four columns: distance from the tile's edge and 1 for keys before the tile's positions, the same for keys after them."""
    before, after = (keys < rows[0]).float(), (keys > rows[-1]).float()
    return torch.stack([before * (rows[0] - keys), before, after * (keys - rows[-1]), after])
