"""`Workspace`: several traces, which of them are compared, the edits, and what was written down about them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from attnscope.display import Displayed
from attnscope.edits import Edit
from attnscope.edits.reference import Find, TraceRef
from attnscope.edits.serialization import edit_of
from attnscope.errors import InputError, TooLongError
from attnscope.trace import Trace
from attnscope.trace.tensor_file import path_of
from attnscope.validation import FLAG, PATH, check_arguments
from attnscope.workspace.contents import MOST_EDITS, MOST_TRACES, notes_of, state_of, trail_of
from attnscope.workspace.file import Contents, pack, write


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Workspace(Displayed):
    """Traces and what you did with them, to save in one file and to go on with later, here or in the app.

    The app saves its workspace in the same format. A trace that is listed twice is kept once.

    Attributes:
        traces: The traces, at least one.
        current: The trace that is shown, one of `traces`.
        baseline: The trace that `current` is compared with, one of `traces`; None for no comparison.
        edits: The edits, which need not have been run yet.
        trail: The places that you marked, in order: objects with a `title` and an `address` (the part of a link after `#`).
        notes: Your notes, as text.
        state: A JSON object with everything else that the app saves; it may be empty. `address` in it is what the app shows, as
            the part of a link after `#`.
    """

    traces: list[Trace]
    current: Trace
    baseline: Trace | None
    edits: list[Edit]
    trail: list[dict[str, str]]
    notes: str
    state: dict[str, Any]

    def __init__(
        self,
        traces: Sequence[Trace],
        *,
        current: Trace | None = None,
        baseline: Trace | None = None,
        edits: Sequence[Edit] | None = None,
        trail: Sequence[Mapping[str, str]] = (),
        notes: str = "",
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a workspace of `traces`. `current` is the first of them by default, and `edits` those of `current`.

        Raises `InputError` for parts that do not fit, and `TooLongError` for more than a file may hold.
        """
        known = _traces(traces)
        shown = next(iter(known.values())) if current is None else _one_of(known, current, "current")
        self._set("traces", list(known.values()))
        self._set("current", shown)
        self._set("baseline", None if baseline is None else _one_of(known, baseline, "baseline"))
        self._set("edits", _edits(shown.edits if edits is None else edits))
        self._set("trail", trail_of(trail))
        self._set("notes", notes_of(notes))
        self._set("state", state_of({} if state is None else state))

    def __repr__(self) -> str:
        at = {trace.id: index for index, trace in enumerate(self.traces)}
        count, entries = len(self.traces), len(self.trail)
        said = [f"current: {at[self.current.id]} ({self.current!r})"]
        if self.baseline is not None:
            said.append(f"baseline: {at[self.baseline.id]} ({self.baseline!r})")
        if self.edits:
            said.append(_counted(len(self.edits), "edit"))
        if entries:
            said.append(f"a trail of {_counted(entries, 'place')}")
        if self.notes:
            said.append(f"notes of {_counted(len(self.notes), 'character')}")
        return f"<Workspace of {_counted(count, 'trace')}, {', '.join(said)}>"

    @check_arguments(path=PATH, weights=FLAG)
    def save(self, path: str | os.PathLike[str], *, weights: bool = False) -> None:
        """Write the workspace to a file (safetensors; read it with `attnscope.open`). We suggest the extension `.workspace`.

        What traces have in common is stored once: the layers below the first edit, for a trace and its baseline. With `weights`,
        the file also holds the output projections (W_O), so that `head_output` works without the model. If writing fails, no
        partial file is left.
        """
        target = path_of(path, "workspace")
        write(pack(self.contents, weights=weights), target)

    @property
    def address(self) -> str:
        """What the app showed, as the hash of a page's address: `state["address"]`. Empty if that is missing.

        :meta private:
        """
        found = self.state.get("address")
        return found if isinstance(found, str) else ""

    @property
    def contents(self) -> Contents:
        """What the file of this workspace says.

        :meta private:
        """
        at = {trace.id: index for index, trace in enumerate(self.traces)}
        return Contents(
            traces=list(self.traces),
            current=at[self.current.id],
            baseline=None if self.baseline is None else at[self.baseline.id],
            edits=[edit.as_json() for edit in self.edits],
            trail=[dict(one) for one in self.trail],
            notes=self.notes,
            state=dict(self.state),
        )

    @classmethod
    def of_contents(cls, contents: Contents) -> Workspace:
        """The workspace in a file. In its edits, a trace that the file lacks is a `TraceRef`. Raises `InputError`.

        :meta private:
        """
        traces = contents.traces
        known = {trace.id: trace for trace in traces}
        find = cast("Find", lambda ident: known.get(ident) or TraceRef(ident))
        return cls(
            traces=traces,
            current=traces[contents.current],
            baseline=None if contents.baseline is None else traces[contents.baseline],
            edits=[edit_of(one, find) for one in contents.edits],
            trail=contents.trail,
            notes=contents.notes,
            state=contents.state,
        )

    def with_traces(self, traces: Sequence[Trace]) -> Workspace:
        """This workspace with other objects for the same traces, in the same order.

        :meta private:
        """
        return Workspace.of_contents(replace(self.contents, traces=traces))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _traces(given: object) -> dict[str, Trace]:
    """The traces by id."""
    listed = [given] if isinstance(given, Trace) else given
    if not isinstance(listed, (list, tuple)):
        raise InputError(f"`traces` must be a list of traces; got {type(given).__name__}.")
    traces = cast("list[object]", listed)
    if not traces:
        raise InputError("`traces` is empty: a workspace needs at least one trace.")
    if len(traces) > MOST_TRACES:
        raise TooLongError(f"The workspace has {len(traces):,} traces, but it may have at most {MOST_TRACES}.")
    found: dict[str, Trace] = {}
    for index, trace in enumerate(traces):
        if not isinstance(trace, Trace):
            raise InputError(f"`traces[{index}]` must be a trace; got {type(trace).__name__}.")
        found.setdefault(trace.id, trace)
    return found


def _one_of(traces: Mapping[str, Trace], given: object, name: str) -> Trace:
    if not isinstance(given, Trace):
        raise InputError(f"`{name}` must be a trace, or None; got {type(given).__name__}.")
    if given.id not in traces:
        raise InputError(f"`{name}` is not one of the workspace's traces. Add it to `traces`.")
    return traces[given.id]


def _edits(given: object) -> list[Edit]:
    listed = cast("list[object]", given) if isinstance(given, (list, tuple)) else [given]
    if len(listed) > MOST_EDITS:
        raise TooLongError(f"The workspace has {len(listed):,} edits, but it may have at most {MOST_EDITS:,}.")
    for one in listed:
        if not isinstance(one, Edit):
            raise InputError(f"`edits` must be a list of edits; got {type(one).__name__}.")
    return cast("list[Edit]", list(listed))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
