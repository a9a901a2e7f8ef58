"""`Alternatives`: all ways to make the same edits elsewhere, from which controls are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from random import Random
from typing import Any

from attnscope.edits import Edit

ALL_UP_TO = 20
"""If there are no more alternatives than this, all of them are controls; otherwise this many are drawn."""

LISTED_UP_TO = 5000
"""Up to this many alternatives are listed before some are drawn; more are drawn directly."""

TRIES_FOR_EACH = 200
"""How often a draw is repeated if it gives a variant that was drawn already, or none."""

Chosen = tuple[tuple[Any, ...], ...]
"""The choice of each slot."""


@dataclass(frozen=True)
class Slot:
    """`size` different members of `pool` are chosen; `ordered`: which member goes where matters."""

    pool: tuple[Any, ...]
    size: int
    ordered: bool = False

    @property
    def count(self) -> int:
        """The number of choices."""
        return math.perm(len(self.pool), self.size) if self.ordered else math.comb(len(self.pool), self.size)

    def all(self) -> Iterator[tuple[Any, ...]]:
        """Every choice."""
        return permutations(self.pool, self.size) if self.ordered else combinations(self.pool, self.size)

    def draw(self, random: Random) -> tuple[Any, ...]:
        """A random choice."""
        return tuple(random.sample(self.pool, self.size))


@dataclass(frozen=True)
class Variant:
    """Edits made elsewhere, and where: "5.2, 5.7"."""

    edits: tuple[Edit, ...]
    where: str


@dataclass(frozen=True)
class Alternatives:
    """The slots to fill, and the variant that a choice stands for; None if the choice is not possible."""

    slots: Sequence[Slot]
    variant: Callable[[Chosen], Variant | None]

    def drawn(self, draws: int | None, seed: int) -> list[Variant]:
        """Different variants: all if there are at most `draws`, else `draws` at random, without replacement.

        For `draws` of None, `ALL_UP_TO` counts.
        """
        wanted, random = ALL_UP_TO if draws is None else draws, Random(seed)  # noqa: S311 - not for secrets
        if math.prod(slot.count for slot in self.slots) <= LISTED_UP_TO:
            every = list(self._different(product(*(slot.all() for slot in self.slots))))
            return every if len(every) <= wanted else random.sample(every, wanted)
        tries = (tuple(slot.draw(random) for slot in self.slots) for _ in range(wanted * TRIES_FOR_EACH))
        found: list[Variant] = []
        for variant in self._different(tries):
            found.append(variant)
            if len(found) == wanted:
                break
        return found

    def _different(self, choices: Iterator[Chosen]) -> Iterator[Variant]:
        seen: set[frozenset[Edit]] = set()
        for chosen in choices:
            variant = self.variant(chosen)
            key = None if variant is None else frozenset(variant.edits)
            if variant is not None and key is not None and key not in seen:
                seen.add(key)
                yield variant
