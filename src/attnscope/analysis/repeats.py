"""Which keys a query finds its own token at again, earlier in the text: what induction and duplicate-token heads look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from attnscope.analysis.layout import Layout

_PAIRS_KEPT = 4_000_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query (its place in the tile) and a key."""

    places: Int[Tensor, "pairs"]
    keys: Int[Tensor, "pairs"]

    def within(self, span: slice) -> Pairs:
        """The pairs whose key is in `span`."""
        inside = (self.keys >= span.start) & (self.keys < span.stop)
        return self if bool(inside.all()) else Pairs(self.places[inside], self.keys[inside])

    def sum(self, values: Shaped[Tensor, "heads pairs"], rows: int) -> Shaped[Tensor, "heads rows"]:
        """The sum of `values` for each query."""
        return values.new_zeros(values.shape[0], rows).index_add_(1, self.places, values)

    def of(self, weights: Float[Tensor, "heads rows span"], span: slice) -> Float[Tensor, "heads pairs"]:
        """The weights of the pairs, all of which are in `span`."""
        flat = self.places * weights.shape[2] + (self.keys - span.start)
        return weights.flatten(1).index_select(1, flat)


class Repeats:
    """The earlier occurrences of every query's token, and the keys that followed them, tile by tile."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._kept: dict[tuple[int, int], tuple[Pairs, Pairs]] = {}
        self._pairs = 0

    @cached_property
    def any(self) -> bool:
        """Whether any token occurs twice."""
        kinds = self._layout.kinds[self._layout.kinds >= 0]
        return self._layout.aligned and len(kinds.unique()) < len(kinds)

    def of(self, rows: Tensor) -> tuple[Pairs, Pairs]:
        """(followers, occurrences) of consecutive rows: keys after an earlier occurrence, but not the query itself."""
        where = (int(rows[0]), int(rows[-1]))
        found = self._kept.get(where)
        if found is None:
            found = self._found(rows)
            self._pairs += 2 * len(found[1].keys)
            if self._pairs <= _PAIRS_KEPT:  # a text of one word has tokens × tokens of them
                self._kept[where] = found
        return found

    def _found(self, rows: Tensor) -> tuple[Pairs, Pairs]:
        kinds, end = self._layout.kinds, int(rows[-1])
        own = kinds[rows, None]
        same = (own == kinds[None, :end]) & (own >= 0) & (torch.arange(end) < rows[:, None])
        places, keys = same.nonzero().unbind(1)
        followed = keys + 1 < rows[places]
        return Pairs(places[followed], keys[followed] + 1), Pairs(places, keys)
