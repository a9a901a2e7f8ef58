"""The arguments of a figure, checked against the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from attnscope.errors import InputError
from attnscope.figures.weights import SCALE_DESCRIPTIONS, Rules, Scale
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence
from attnscope.trace.positions import resolve
from attnscope.validation import is_index

View = Literal["head", "model", "neuron", "matrix"]
Palette = Literal["blue", "cividis", "gray"]
Thumbnails = Literal["auto", "lines", "map"]
Field = Literal["before", "after", "difference"]

FIELDS = ("before", "after", "difference")
VIEWS = ("head", "model", "neuron", "matrix")


@dataclass(frozen=True)
class Request:
    """Everything that a view needs to know. Indices are in range, and `heads` is not empty.

    `tokens` are the selected queries: none, one, or the span of a word of several tokens.
    """

    trace: Trace
    stack: str
    layer: int
    heads: tuple[int, ...]
    layers: tuple[int, ...]
    tokens: tuple[int, ...]
    scale: Scale | None
    palette: Palette
    thumbnails: Thumbnails
    rules: Rules
    comparison: Correspondence | None = None
    """What corresponds to the baseline, if the figure shows a difference."""

    @property
    def token(self) -> int | None:
        """The selected query for views that show one only: the last of `tokens`."""
        return max(self.tokens, default=None)


def the_stack(trace: Trace, stack: str | None) -> str:
    """The name of a stack; you can omit it if there is only one."""
    return next(name for name in trace.stacks if trace.traced_stack(name) is trace.traced_stack(stack))


def the_layer(trace: Trace, stack: str, layer: Any) -> int:
    """A layer that has attention: `layer`, or the first one."""
    if layer is None:
        records = trace.traced_stack(stack).records
        return next(i for i, record in enumerate(records) if record is not None)
    trace.layer_record(layer, stack)
    return int(layer)


def the_layers(trace: Trace, stack: str, layers: Any) -> tuple[int, ...]:
    """Layers of a stack in the order of `layers`; all of them for None."""
    count = trace.stacks[stack].layers
    return tuple(range(count)) if layers is None else _indices("layers", layers, count)


def the_heads(heads: Any, head: Any, count: int) -> tuple[int, ...] | None:
    """The heads in `heads` (one or several) or `head` (one); None if both are None."""
    if head is not None:
        if heads is not None:
            raise InputError("Pass either `head` or `heads`, not both.")
        return _indices("head", [head], count)
    return None if heads is None else _indices("heads", heads, count)


def the_tokens(trace: Trace, stack: str, token: Any) -> tuple[int, ...]:
    """The indices of the selected queries of a stack; empty for None."""
    return () if token is None else resolve(token, trace.tokens_for(stack)[0], "token")


def one_of(name: str, value: Any, choices: Sequence[str]) -> Any:
    """`value`, if it is one of the choices."""
    if value not in choices:
        raise InputError(
            f"`{name}` must be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r:.300}; got {value!r:.80}."
        )
    return value


def the_scale(scale: Any) -> Scale:
    """How weights become darkness."""
    return one_of("scale", scale, tuple(SCALE_DESCRIPTIONS))


def _indices(name: str, values: Any, count: int) -> tuple[int, ...]:
    listed = [values] if is_index(values) else values
    try:
        found = tuple(listed)
    except TypeError as error:
        raise InputError(f"`{name}` must be a list of integers; got {values!r:.80}.") from error
    wrong = [at for at in found if not is_index(at) or not 0 <= at < count]
    if wrong or not found:
        got = f"got {wrong[0]!r:.80}" if wrong else "got none"
        raise InputError(f"`{name}` must be integers from 0 to {count - 1}, at least one; {got}.")
    return tuple(dict.fromkeys(int(at) for at in found))
