"""Read and answer `save` and `open` (docs/reference/wire.md): a workspace file from the traces of a session, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, cast

import numpy as np

from attnscope.edits import Edit
from attnscope.edits.reference import Find, TraceRef
from attnscope.errors import InputError, MissingError
from attnscope.session.limits import Limits
from attnscope.session.messages.edits import edits_of
from attnscope.session.messages.fields import optional_text_of, text_of, texts_of
from attnscope.session.trace_store import InputText
from attnscope.trace import Trace
from attnscope.workspace import Workspace
from attnscope.workspace.contents import MOST_TRACES
from attnscope.workspace.file import bytes_of, pack
from attnscope.workspace.saved_file import open_bytes

_LONGEST_NAME = 40

FileKind = Literal["trace", "workspace"]


class WorkspaceFields(TypedDict):
    """The JSON fields of `open`; of a workspace, its traces by id."""

    kind: FileKind
    traces: list[str]
    current: str
    baseline: str | None
    edits: list[dict[str, Any]]
    trail: list[dict[str, str]]
    notes: str
    state: dict[str, Any]


def workspace_fields(workspace: Workspace, kind: FileKind = "workspace") -> WorkspaceFields:
    """The fields of `open` for a workspace."""
    return {
        "kind": kind,
        "traces": [trace.id for trace in workspace.traces],
        "current": workspace.current.id,
        "baseline": None if workspace.baseline is None else workspace.baseline.id,
        "edits": [edit.as_json() for edit in workspace.edits],
        "trail": workspace.trail,
        "notes": workspace.notes,
        "state": workspace.state,
    }


def saved_workspace(body: Mapping[str, Any], find: Callable[[str], Trace], limits: Limits) -> tuple[str, np.ndarray]:
    """Answer `save`: a name for the file, and its bytes. `find` returns the trace of an id.

    Traces that the edits refer to are saved too, if the session has them. Raises `TooLongError` if the file would be larger than
    the limits allow.
    """
    ids = texts_of(body, "traces", most=MOST_TRACES)
    if not ids:
        raise InputError(f"`traces` must be a list of 1 to {MOST_TRACES} ids of traces.")
    traces = {ident: find(ident) for ident in ids}
    edits = edits_of(body, _find_or_refer(find), limits)
    for trace in (one for edit in edits for one in _traces_in(edit)):
        traces.setdefault(trace.id, trace)
    current, baseline = text_of(body, "current"), optional_text_of(body, "baseline")
    for name, ident in (("current", current), ("baseline", baseline)):
        if ident is not None and ident not in traces:
            raise InputError(f"`{name}` must be one of `traces`; got {ident[:64]!r:.300}.")
    workspace = Workspace(
        list(traces.values()),
        current=traces[current],
        baseline=None if baseline is None else traces[baseline],
        edits=edits,
        trail=cast("Any", body.get("trail") or []),
        notes=optional_text_of(body, "notes") or "",
        state=body.get("state"),
    )
    packed = pack(workspace.contents)
    limits.check_saved(packed.nbytes)
    data = bytes_of(packed)
    limits.check_saved(len(data))
    return _file_name(workspace.current), np.frombuffer(data, np.uint8)


def opened_file(body: Mapping[str, Any], limits: Limits) -> tuple[FileKind, Workspace]:
    """Read the file of an `open` request. A trace file is a workspace of that trace alone.

    Raises `InputError` for a missing file, `TooLongError` for one that is larger than the limits allow, and `DamagedError`.
    """
    data = body.get("file")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
        raise InputError(
            "`file` must be a one-dimensional uint8 tensor: the bytes of a trace file or a workspace file."
        )
    limits.check_file(data.size)
    opened = open_bytes(data.tobytes(), optional_text_of(body, "name") or "The file")
    return ("trace", Workspace([opened])) if isinstance(opened, Trace) else ("workspace", opened)


def _find_or_refer(find: Callable[[str], Trace]) -> Find:
    """Like `find`, but with a `TraceRef` for a trace that the session does not have."""

    def found(ident: str) -> Trace | TraceRef:
        try:
            return find(ident)
        except MissingError:
            return TraceRef(ident)

    return cast("Find", found)


def _traces_in(edit: Edit) -> list[Trace]:
    """The traces that an edit refers to."""
    held: list[object] = []
    for value in vars(edit).values():
        held += cast("tuple[object, ...]", value) if isinstance(value, tuple) else [value]
    return [one for one in held if isinstance(one, Trace)]


def _file_name(trace: Trace) -> str:
    """A file name made of the first words of the input: "the-quick-brown-fox.workspace"."""
    words = re.findall(r"\w+", InputText.of(trace).text.lower())
    name = ""
    for word in words:
        if len(name) + len(word) >= _LONGEST_NAME:
            break
        name += f"-{word}" if name else word
    return f"{name or 'attention'}.workspace"
