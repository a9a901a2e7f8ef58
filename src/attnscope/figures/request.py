"""What a figure is asked to show, checked against the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from attnscope.errors import InputError
from attnscope.figures.text import labels
from attnscope.figures.weights import SCALE_DESCRIPTIONS, Rules, Scale
from attnscope.trace import Trace

View = Literal["head", "model", "neuron", "matrix"]
Palette = Literal["blue", "cividis", "gray"]
Thumbnails = Literal["auto", "lines", "map"]

VIEWS = ("head", "model", "neuron", "matrix")


@dataclass(frozen=True)
class Request:
    """Everything that a view needs to know. Indices lie within the trace; `heads` is not empty."""

    trace: Trace
    stack: str
    layer: int
    heads: tuple[int, ...]
    layers: tuple[int, ...]
    token: int | None
    scale: Scale | None
    palette: Palette
    thumbnails: Thumbnails
    rules: Rules


def the_stack(trace: Trace, stack: str | None) -> str:
    """The name of a stack, found where it is the only one."""
    return next(name for name in trace.stacks if trace.traced_stack(name) is trace.traced_stack(stack))


def the_layer(trace: Trace, stack: str, layer: Any) -> int:
    """A layer that has attention: the one named, or the first."""
    if layer is None:
        records = trace.traced_stack(stack).records
        return next(i for i, record in enumerate(records) if record is not None)
    trace.layer_record(layer, stack)
    return int(layer)


def the_layers(trace: Trace, stack: str, layers: Any) -> tuple[int, ...]:
    """Some layers of a stack, in the order given; all where it is None."""
    count = trace.stacks[stack].layers
    return tuple(range(count)) if layers is None else _indices("layers", layers, count)


def the_heads(heads: Any, head: Any, count: int) -> tuple[int, ...] | None:
    """Heads from `heads` (one or several) or `head` (one); None where neither is given."""
    if head is not None:
        if heads is not None:
            raise InputError("Pass either `head` or `heads`, not both.")
        return _indices("head", [head], count)
    return None if heads is None else _indices("heads", heads, count)


def the_token(trace: Trace, stack: str, token: Any) -> int | None:
    """A query's position from its position (negative ones count from the end) or from its text, which must be unique."""
    queries, _ = trace.tokens_for(stack)
    if token is None:
        return None
    if isinstance(token, str):
        found = [at for at, text in enumerate(labels(queries)) if text == token.strip() or queries[at].text == token]
        if len(found) == 1:
            return found[0]
        if not found:
            raise InputError(
                f"There is no token {token!r}; the tokens are {', '.join(map(repr, labels(queries)[:40]))}."
            )
        raise InputError(
            f"The token {token!r} stands at {', '.join(map(str, found))}: pass the position that is meant."
        )
    if isinstance(token, bool) or not hasattr(token, "__index__") or not -len(queries) <= token < len(queries):
        raise InputError(f"`token` is a position from 0 to {len(queries) - 1}, or a token's text; got {token!r}.")
    return int(token) % len(queries)


def one_of(name: str, value: Any, choices: Sequence[str]) -> Any:
    """The value, if it is one of the choices."""
    if value not in choices:
        raise InputError(f"`{name}` is {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}; got {value!r}.")
    return value


def the_scale(scale: Any) -> Scale:
    """How weights become darkness."""
    return one_of("scale", scale, tuple(SCALE_DESCRIPTIONS))


def _indices(name: str, values: Any, count: int) -> tuple[int, ...]:
    listed = [values] if hasattr(values, "__index__") else values
    try:
        found = tuple(listed)
    except TypeError as error:
        raise InputError(f"`{name}` is a list of whole numbers; got {values!r}.") from error
    wrong = [at for at in found if isinstance(at, bool) or not hasattr(at, "__index__") or not 0 <= at < count]
    if wrong or not found:
        got = f"got {wrong[0]!r}" if wrong else "got none"
        raise InputError(f"`{name}` holds whole numbers from 0 to {count - 1}, at least one; {got}.")
    return tuple(dict.fromkeys(int(at) for at in found))
