"""Checks of what the user selects in a widget: values that exist pass, others raise a one-sentence error."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

from traitlets import TraitError

from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.positions import is_word, resolve_one
from attnscope.types import Stack

VIEWS = ("model", "head", "neuron")


class SelectionError(InputError, TraitError):
    """A selection that the trace in the widget doesn't have."""


class Selectable:
    """The layers, heads, tokens and dimensions of a trace. Without a trace, any number from 0 passes."""

    def __init__(self, trace: Trace | None) -> None:
        self.trace = trace

    def view(self, name: object) -> str:
        """One of `VIEWS`."""
        if name not in VIEWS:
            raise SelectionError(f"There is no view {name!r:.300}: `view` must be 'model', 'head' or 'neuron'.")
        return str(name)

    def stack(self, name: object) -> str:
        """The name of a stack; the first stack for None or an empty name."""
        names = list(self.trace.stacks) if self.trace is not None else []
        if not name:
            return names[0] if names else ""
        if not isinstance(name, str) or (names and name not in names):
            raise SelectionError(f"There is no stack {name!r:.300}: this trace has {', '.join(map(repr, names))}.")
        return name

    def layer(self, number: object, stack: str) -> int:
        """A layer of the stack."""
        sizes = self._sizes(stack)
        return _within(number, None if sizes is None else sizes.layers, "layer")

    def heads(self, numbers: object, stack: str, layer: int) -> list[int]:
        """Heads of the layer, ascending; all of them for None or an empty list."""
        count = self.head_count(stack, layer)
        if numbers is None:
            return list(range(count or 0))
        if isinstance(numbers, (str, bytes)) or not isinstance(numbers, Iterable):
            raise SelectionError(f"`heads` must be a list of heads, or None for all; got {numbers!r:.80}.")
        given: list[Any] = list(numbers)
        return sorted({_within(number, count, "head") for number in given}) or list(range(count or 0))

    def head(self, number: object, stack: str, layer: int) -> int | None:
        """A head of the layer, or None."""
        return None if number is None else _within(number, self.head_count(stack, layer), "head")

    def token(self, position: object, stack: str) -> int | None:
        """The index of a query token of the stack, or None. A span selects its last token."""
        if position is None:
            return None
        if self.trace is not None and stack in self.trace.stacks:
            try:
                return resolve_one(position, self.trace.tokens_for(stack)[0], "token", from_end=False)
            except InputError as error:
                raise SelectionError(str(error)) from None
        if is_word(position):
            raise SelectionError(f"There is no text yet to look up the token {position!r:.300} in: run a text first.")
        return _within(position, None, "token")

    def neuron(self, number: object, stack: str, layer: int) -> int | None:
        """A dimension of the query and key vectors of the layer, or None."""
        sizes = self._sizes(stack)
        shape = sizes.shapes[layer] if sizes is not None and 0 <= layer < sizes.layers else None
        return None if number is None else _within(number, None if shape is None else shape.qk_dim, "neuron")

    def head_count(self, stack: str, layer: int) -> int | None:
        """The number of heads of a layer, 0 without attention; None if there is no trace yet."""
        sizes = self._sizes(stack)
        if sizes is None or not 0 <= layer < sizes.layers:
            return None
        shape = sizes.shapes[layer]
        return 0 if shape is None else shape.heads

    def _sizes(self, stack: str) -> Stack | None:
        return None if self.trace is None else self.trace.stacks.get(stack)


def _within(number: object, count: int | None, what: str) -> int:
    """`number` as an int from 0 to below `count` (None: no upper bound)."""
    try:
        if isinstance(number, bool):
            raise TypeError
        whole = index(number)  # type: ignore[arg-type]
    except TypeError:
        raise SelectionError(f"A {what} must be an integer; got {number!r:.80}.") from None
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
