"""Where an edit takes values from: a trace, several traces, or an array of numbers.

A trace inside an edit stands in its written form by its id alone. `TraceRef` is such an id without the trace: enough to
read, compare and write the edit, not to apply it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from attnscope.errors import InputError, MissingError
from attnscope.trace import Trace

Rows = tuple[tuple[float, ...], ...]
"""An array [row, number] of plain numbers."""


@dataclass(frozen=True)
class TraceRef:
    """A trace that is not at hand, by its id."""

    id: str

    def __repr__(self) -> str:
        return f"TraceRef({self.id!r})"


def reference_of(given: Any, what: str) -> Any:
    """`given` as an edit keeps it: a trace, a tuple of traces, or an array [row, number] as nested tuples of numbers.

    Raises `InputError` where it is none of these; `what` names it.
    """
    if isinstance(given, (Trace, TraceRef)):
        return given
    if isinstance(given, (list, tuple)) and given and all(isinstance(one, (Trace, TraceRef)) for one in given):  # pyright: ignore[reportUnknownVariableType]
        return tuple(cast("Sequence[Trace | TraceRef]", given))
    return numbers_of(given, what)


def numbers_of(given: Any, what: str) -> Rows:
    """An array of one or two dimensions as nested tuples [row, number]; one dimension is one row."""
    try:
        plain = torch.as_tensor(given)
        if plain.dtype == torch.bool or plain.is_complex():
            raise TypeError(plain.dtype)
        array = plain.detach().cpu().double() if plain is given else torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(
            f"{what} is a trace, a list of traces, or an array of real numbers; got {_kind(given)}."
        ) from error
    if array.ndim not in (1, 2) or not array.numel() or not bool(array.isfinite().all()):
        raise InputError(
            f"{what} is a trace, a list of traces, or an array of one or two dimensions with finite numbers; got an array of "
            f"shape {tuple(array.shape)}."
        )
    rows = cast("list[list[float]]", (array[None] if array.ndim == 1 else array).tolist())
    return tuple(tuple(row) for row in rows)


def _kind(given: object) -> str:
    dtype = getattr(given, "dtype", None)
    return type(given).__name__ + ("" if dtype is None else f" of {dtype}")


def written(reference: Any) -> Any:
    """A reference as a JSON value."""
    if isinstance(reference, (Trace, TraceRef)):
        return {"trace": reference.id}
    if isinstance(reference[0], (Trace, TraceRef)):
        return [{"trace": one.id} for one in reference]
    return {"array": [list(row) for row in reference]}


def shown(reference: Any) -> str:
    """A reference as Python that `from attnscope.edits import *` evaluates."""
    if isinstance(reference, (Trace, TraceRef)):
        return repr(TraceRef(reference.id))
    if isinstance(reference[0], (Trace, TraceRef)):
        return repr([TraceRef(one.id) for one in reference])
    return repr([list(row) for row in reference])


Find = Callable[[str], Trace]


def finder(traces: Trace | Sequence[Trace] | Mapping[str, Trace] | Find | None) -> Find:
    """A function from an id to the trace, for traces given in any of these ways. It raises `MissingError` for an unknown id."""
    if callable(traces):
        return traces
    if isinstance(traces, Trace):
        traces = [traces]
    known = dict(traces) if isinstance(traces, Mapping) else {trace.id: trace for trace in traces or ()}

    def find(ident: str) -> Trace:
        if ident not in known:
            raise MissingError(f"An edit refers to the trace {ident[:64]!r}, which is not here; pass it in `traces=`.")
        return known[ident]

    return find


def read(written_: Any, find: Find, what: str) -> Any:
    """What `written` gave, each trace looked up by `find`."""
    if isinstance(written_, Mapping):
        fields = cast("Mapping[str, Any]", written_)
        if set(fields) == {"trace"} and isinstance(fields["trace"], str):
            return find(fields["trace"])
        if set(fields) == {"array"}:
            return fields["array"]
    if isinstance(written_, list) and written_ and all(isinstance(one, Mapping) for one in cast("list[Any]", written_)):
        return [read(one, find, what) for one in cast("list[Any]", written_)]
    raise InputError(
        f'{what} is {{"trace": "<id>"}}, a list of such, or {{"array": [[…]]}}; got {type(written_).__name__}.'
    )
