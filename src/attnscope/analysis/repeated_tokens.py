"""Which keys a query finds its own token at again, earlier in the text: what induction and duplicate-token heads look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query, as its place among some rows, and a key."""

    places: Int[Tensor, "pairs"]
    keys: Int[Tensor, "pairs"]

    def within(self, span: slice) -> Pairs:
        """The pairs whose key is in `span`."""
        inside = (self.keys >= span.start) & (self.keys < span.stop)
        return Pairs(self.places[inside], self.keys[inside])


class Repeats:
    """The earlier occurrences of every query's token, and the keys that followed them."""

    def __init__(self, layout: TokenGroups) -> None:
        self._layout = layout

    @cached_property
    def any(self) -> bool:
        """Whether any token occurs twice."""
        kinds = self._layout.kinds[self._layout.kinds >= 0]
        return self._layout.aligned and len(kinds.unique()) < len(kinds)

    def of(self, rows: Tensor) -> tuple[Pairs, Pairs]:
        """(followers, occurrences) of consecutive rows: keys after an earlier occurrence, but not the query itself."""
        kinds, end = self._layout.kinds, int(rows[-1])
        own = kinds[rows, None]
        same = (own == kinds[None, :end]) & (own >= 0) & (torch.arange(end) < rows[:, None])
        places, keys = same.nonzero().unbind(1)
        followed = keys + 1 < rows[places]
        return Pairs(places[followed], keys[followed] + 1), Pairs(places, keys)
