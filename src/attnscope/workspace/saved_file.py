"""Open a file that attnscope saved: a trace or a workspace, from a path or from its bytes."""

from __future__ import annotations

from pathlib import Path

from attnscope.edits.trace_edits import saved_trace
from attnscope.errors import DamagedError, InputError
from attnscope.trace import Trace
from attnscope.trace.file import read as read_trace
from attnscope.trace.tensor_file import TensorFile, from_bytes, reading
from attnscope.workspace.file import KEY
from attnscope.workspace.file import read as read_workspace
from attnscope.workspace.workspace import Workspace


def open_path(path: Path) -> Trace | Workspace:
    """The trace or workspace in a file, without its model. Raises as `attnscope.open`."""
    with reading(path) as file:
        return _opened(file)


def open_bytes(data: bytes, name: str) -> Trace | Workspace:
    """The trace or workspace in the bytes of a file. `name` is the file's name, for messages. Raises `DamagedError`."""
    return _opened(from_bytes(data, name))


def _opened(file: TensorFile) -> Trace | Workspace:
    if KEY not in file.metadata:
        return saved_trace(read_trace(file), file.name)
    contents = read_workspace(file)
    try:
        return Workspace.of_contents(contents)
    except InputError as error:
        raise DamagedError(f"{file.name} is not a valid workspace: {error}") from error
