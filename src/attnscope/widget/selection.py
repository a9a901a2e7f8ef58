"""What of a trace can be selected, and one sentence about what cannot."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

from traitlets import TraitError

from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.types import Stack

VIEWS = ("model", "head", "neuron")


class SelectionError(InputError, TraitError):
    """A selection that the trace on show does not have."""


class Selectable:
    """The layers, heads, tokens and dimensions of a trace; of anything at all where there is no trace yet."""

    def __init__(self, trace: Trace | None) -> None:
        self.trace = trace

    def view(self, name: object) -> str:
        """One of `VIEWS`."""
        if name not in VIEWS:
            raise SelectionError(f"There is no view {name!r}: `view` is 'model', 'head' or 'neuron'.")
        return str(name)

    def stack(self, name: object) -> str:
        """The name of a stack; the first one for None or an empty name."""
        names = list(self.trace.stacks) if self.trace is not None else []
        if not name:
            return names[0] if names else ""
        if not isinstance(name, str) or (names and name not in names):
            raise SelectionError(f"There is no stack {name!r}: this trace has {', '.join(map(repr, names))}.")
        return name

    def layer(self, number: object, stack: str) -> int:
        """A layer of the stack."""
        sizes = self._sizes(stack)
        return _within(number, None if sizes is None else sizes.layers, "layer")

    def heads(self, numbers: object, stack: str, layer: int) -> list[int]:
        """Heads of the layer, ascending; all of them for None and for none."""
        count = self.head_count(stack, layer)
        if numbers is None:
            return list(range(count or 0))
        if isinstance(numbers, (str, bytes)) or not isinstance(numbers, Iterable):
            raise SelectionError(f"`heads` is a list of heads, or None for all; got {numbers!r}.")
        given: list[Any] = list(numbers)
        return sorted({_within(number, count, "head") for number in given}) or list(range(count or 0))

    def head(self, number: object, stack: str, layer: int) -> int | None:
        """A head of the layer, or None."""
        return None if number is None else _within(number, self.head_count(stack, layer), "head")

    def token(self, number: object, stack: str) -> int | None:
        """A query token of the stack, or None."""
        known = self.trace if self.trace is not None and stack in self.trace.stacks else None
        count = None if known is None else len(known.tokens_for(stack)[0])
        return None if number is None else _within(number, count, "token")

    def neuron(self, number: object, stack: str, layer: int) -> int | None:
        """A dimension of the queries and keys of the layer, or None."""
        sizes = self._sizes(stack)
        shape = sizes.shapes[layer] if sizes is not None and 0 <= layer < sizes.layers else None
        return None if number is None else _within(number, None if shape is None else shape.qk_dim, "neuron")

    def head_count(self, stack: str, layer: int) -> int | None:
        """How many heads a layer has, 0 for one without attention; None where there is no trace yet."""
        sizes = self._sizes(stack)
        if sizes is None or not 0 <= layer < sizes.layers:
            return None
        shape = sizes.shapes[layer]
        return 0 if shape is None else shape.heads

    def _sizes(self, stack: str) -> Stack | None:
        return None if self.trace is None else self.trace.stacks.get(stack)


def _within(number: object, count: int | None, what: str) -> int:
    """`number` as a whole number from 0 to below `count` (None: without an end)."""
    try:
        if isinstance(number, bool):
            raise TypeError
        whole = index(number)  # type: ignore[arg-type]
    except TypeError:
        raise SelectionError(f"A {what} is a whole number; got {number!r}.") from None
    if whole < 0 or (count is not None and whole >= count):
        why = (
            "they count from 0"
            if count is None
            else f"they go from 0 to {count - 1}"
            if count
            else "this layer has none"
        )
        raise SelectionError(f"There is no {what} {whole}: {why}.")
    return whole
