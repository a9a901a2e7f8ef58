"""Earlier occurrences of each query's token, and the tokens after them: the keys of duplicate-token and induction heads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query and a key. `places` are indices of the queries within a list of rows."""

    places: Int[Tensor, "pairs"]
    keys: Int[Tensor, "pairs"]

    def within(self, span: slice) -> Pairs:
        """The pairs whose key is in `span`."""
        inside = (self.keys >= span.start) & (self.keys < span.stop)
        return Pairs(self.places[inside], self.keys[inside])


class Repeats:
    """Earlier occurrences of every query's token, and the keys right after them."""

    def __init__(self, groups: TokenGroups) -> None:
        self._groups = groups

    @cached_property
    def any(self) -> bool:
        """Whether any token occurs twice."""
        kinds = self._groups.kinds[self._groups.kinds >= 0]
        return self._groups.aligned and len(kinds.unique()) < len(kinds)

    def of(self, rows: Tensor) -> tuple[Pairs, Pairs]:
        """(followers, occurrences) for consecutive rows; a follower is the key after an earlier occurrence, before the query."""
        kinds, end = self._groups.kinds, int(rows[-1])
        own = kinds[rows, None]
        same = (own == kinds[None, :end]) & (own >= 0) & (torch.arange(end) < rows[:, None])
        places, keys = same.nonzero().unbind(1)
        followed = keys + 1 < rows[places]
        return Pairs(places[followed], keys[followed] + 1), Pairs(places, keys)
