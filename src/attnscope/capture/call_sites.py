"""Where in the model a call of the attention function is: in which stack, and in which of its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

LEFT_OUT = ""
"""The stack of calls that are computed and not shown."""


@dataclass(frozen=True, order=True)
class Place:
    """A layer of a stack. `layer` is the model's own number, from 0."""

    stack: str
    layer: int

    @property
    def shown(self) -> bool:
        """Whether it is a layer of a stack that is shown."""
        return self.stack != LEFT_OUT


@dataclass(frozen=True)
class Places:
    """From the path of a module and the number of its call in one pass to a `Place`.

    A module that runs for several layers (ALBERT) has a place for each of its calls; where it is called again and again, as in
    generation, these places come in turn.
    """

    by_path: Mapping[str, tuple[Place, ...]]

    @classmethod
    def of_calls(cls, calls: Iterator[tuple[str, Place]]) -> Places:
        """The places of one pass, from the (path, place) of its calls in order."""
        found: dict[str, tuple[Place, ...]] = {}
        for path, place in calls:
            found[path] = (*found.get(path, ()), place)
        return cls(found)

    def renamed(self, old: str, new: str) -> Places:
        """The same with another name for a stack."""
        return Places(
            {
                path: tuple(replace(place, stack=new) if place.stack == old else place for place in places)
                for path, places in self.by_path.items()
            }
        )

    def of(self, path: str, call: int) -> Place | None:
        """The place of the `call`-th call (from 0) of the module at `path`; None for a module that computes no attention."""
        places = self.by_path.get(path)
        return places[call % len(places)] if places else None

    def paths(self, place: Place) -> list[str]:
        """The paths of the modules that compute the attention of a place."""
        return [path for path, places in self.by_path.items() if place in places]

    def complete(self, calls: Counter[str]) -> bool:
        """Whether every module was called as often as in one whole pass."""
        return calls == {path: len(places) for path, places in self.by_path.items()}

    def __len__(self) -> int:
        """The number of calls in one pass."""
        return sum(len(places) for places in self.by_path.values())

    def __iter__(self) -> Iterator[Place]:
        """Every place once, stack by stack."""
        return iter(sorted({place for places in self.by_path.values() for place in places}))
