"""Map each call of the attention function to a stack and a layer of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

NOT_SHOWN = ""
"""The stack name of calls that the model computes but attnscope does not show."""


@dataclass(frozen=True, order=True)
class Place:
    """A layer of a stack. `layer` is the model's own number, starting at 0."""

    stack: str
    layer: int

    @property
    def shown(self) -> bool:
        """Whether the layer belongs to a stack that attnscope shows."""
        return self.stack != NOT_SHOWN


@dataclass(frozen=True)
class Places:
    """Map the path of a module and the number of its call in one forward pass to a `Place`.

    A module that runs for several layers (ALBERT) has one place for each of its calls. If it is called repeatedly, as
    in generation, the places repeat in the same order. `fixed` are the stacks whose positions generation does not add to:
    those of a source or of an image.
    """

    by_path: Mapping[str, tuple[Place, ...]]
    fixed: frozenset[str] = frozenset()

    @classmethod
    def of_calls(cls, calls: Iterator[tuple[str, Place]], fixed: Iterable[str] = ()) -> Places:
        """Build the mapping from the (path, place) of each call of one pass, in order."""
        found: dict[str, tuple[Place, ...]] = {}
        for path, place in calls:
            found[path] = (*found.get(path, ()), place)
        return cls(found, frozenset(fixed))

    def renamed(self, old: str, new: str) -> Places:
        """Return a copy with one stack renamed."""
        return Places(
            {
                path: tuple(replace(place, stack=new) if place.stack == old else place for place in places)
                for path, places in self.by_path.items()
            },
            frozenset(new if stack == old else stack for stack in self.fixed),
        )

    def of(self, path: str, call: int) -> Place | None:
        """The place of the `call`-th call (from 0) of the module at `path`; None if that module computes no attention."""
        places = self.by_path.get(path)
        return places[call % len(places)] if places else None

    def paths(self, place: Place) -> list[str]:
        """The paths of the modules that compute the attention of a place."""
        return [path for path, places in self.by_path.items() if place in places]

    def complete(self, calls: Counter[str]) -> bool:
        """Whether every module was called as often as in one complete pass."""
        return calls == {path: len(places) for path, places in self.by_path.items()}

    def __len__(self) -> int:
        """The number of calls in one pass."""
        return sum(len(places) for places in self.by_path.values())

    def __iter__(self) -> Iterator[Place]:
        """Iterate over each place once, sorted by stack and layer."""
        return iter(sorted({place for places in self.by_path.values() for place in places}))
