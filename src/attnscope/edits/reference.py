"""Sources of values for an edit: a trace, several traces, or an array of numbers.

In JSON, a trace inside an edit is represented only by its id. A `TraceRef` is such an id without the trace: enough to read,
compare and write the edit, but not to apply it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from attnscope.errors import InputError, MissingError
from attnscope.trace import Trace

Rows = tuple[tuple[float, ...], ...]
"""An array [row, number] of plain numbers."""


@dataclass(frozen=True)
class TraceRef:
    """A reference by `id` to a trace that is not loaded."""

    id: str

    def __repr__(self) -> str:
        return f"TraceRef({self.id!r})"


def reference_of(value: Any, what: str) -> Any:
    """`value` as an edit stores it: a trace, a tuple of traces, or an array [row, number] as nested tuples of numbers.

    Raises `InputError` for anything else; `what` names the argument in the message.
    """
    if isinstance(value, (Trace, TraceRef)):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, (Trace, TraceRef)) for one in value):  # pyright: ignore[reportUnknownVariableType]
        return tuple(cast("Sequence[Trace | TraceRef]", value))
    return numbers_of(value, what, "a trace, a list of traces, or an array")


def numbers_of(value: Any, what: str, expected: str = "an array") -> Rows:
    """An array of one or two dimensions as nested tuples [row, number]; one dimension is a single row.

    Raises `InputError` for anything else; `what` and `expected` are words for the message.
    """
    try:
        plain = torch.as_tensor(value)
        if plain.dtype == torch.bool or plain.is_complex():
            raise TypeError(plain.dtype)
        array = plain.detach().cpu().double() if plain is value else torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{what} must be {expected} of real numbers; got {_kind(value)}.") from error
    if array.ndim not in (1, 2) or not array.numel() or not bool(array.isfinite().all()):
        raise InputError(
            f"{what} must be {expected} of finite numbers with one or two dimensions; got an array of shape {tuple(array.shape)}"
            f"{'' if not array.numel() or bool(array.isfinite().all()) else ' with NaN or infinity'}."
        )
    rows = cast("list[list[float]]", (array[None] if array.ndim == 1 else array).tolist())
    return tuple(tuple(row) for row in rows)


def _kind(value: object) -> str:
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ + ("" if dtype is None else f" of {dtype}")


def written(reference: Any) -> Any:
    """Convert a reference to a JSON value."""
    if isinstance(reference, (Trace, TraceRef)):
        return {"trace": reference.id}
    if isinstance(reference[0], (Trace, TraceRef)):
        return [{"trace": one.id} for one in reference]
    return {"array": [list(row) for row in reference]}


def shown(reference: Any) -> str:
    """A reference as Python source that evaluates after `from attnscope.edits import *`."""
    if isinstance(reference, (Trace, TraceRef)):
        return repr(TraceRef(reference.id))
    if isinstance(reference[0], (Trace, TraceRef)):
        return repr([TraceRef(one.id) for one in reference])
    return repr([list(row) for row in reference])


Find = Callable[[str], Trace]


def finder(traces: Trace | Sequence[Trace] | Mapping[str, Trace] | Find | None) -> Find:
    """Return a function that looks up a trace by id in `traces`. It raises `MissingError` for an unknown id."""
    if callable(traces):
        return traces
    if isinstance(traces, Trace):
        traces = [traces]
    listed: Any = traces or ()
    if not isinstance(listed, (Mapping, list, tuple)) or not all(isinstance(one, Trace) for one in _values(listed)):
        raise InputError(
            f"`traces` must be a trace, a list of traces, a mapping from id to trace, or a function; got {traces!r:.80}."
        )
    known = dict(traces) if isinstance(traces, Mapping) else {trace.id: trace for trace in traces or ()}

    def find(ident: str) -> Trace:
        if ident not in known:
            raise MissingError(
                f"An edit refers to trace {ident[:64]!r:.300}, which was not found. Pass the trace in `traces=`."
            )
        return known[ident]

    return find


def _values(traces: Any) -> Iterable[object]:
    return cast("Mapping[object, object]", traces).values() if isinstance(traces, Mapping) else traces


def read(written_: Any, find: Find, what: str) -> Any:
    """Read the JSON value of a reference, as returned by `written`; `find` looks up traces by id."""
    if isinstance(written_, Mapping):
        fields = cast("Mapping[str, Any]", written_)
        if set(fields) == {"trace"} and isinstance(fields["trace"], str):
            return find(fields["trace"])
        if set(fields) == {"array"}:
            return fields["array"]
    if isinstance(written_, list) and written_ and all(isinstance(one, Mapping) for one in cast("list[Any]", written_)):
        return [read(one, find, what) for one in cast("list[Any]", written_)]
    raise InputError(
        f'{what} must be {{"trace": "<id>"}}, a list of these, or {{"array": [[…]]}}; got {type(written_).__name__}.'
    )
