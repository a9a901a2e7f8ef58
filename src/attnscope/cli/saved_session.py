"""The session that `attnscope serve` starts from a saved trace or workspace, with or without its model."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from attnscope.cli.examples import EXAMPLES
from attnscope.cli.sources import saved_file
from attnscope.errors import InputError
from attnscope.offline import page
from attnscope.session import ModelEntry, Session, StoredTrace
from attnscope.trace import Trace
from attnscope.workspace import Workspace


def required_file(path: Path) -> Trace | Workspace:
    """The trace or workspace in a file. Raises `InputError` if its name is not that of such a file."""
    opened = saved_file(str(path))
    if opened is None:
        raise InputError(f"--open needs a .trace or .workspace file; got {str(path)!r:.200}.")
    return opened


def saved_session(opened: Trace | Workspace, entry: ModelEntry | None = None) -> Session:
    """A session that starts with a saved file. With an entry, its model is loaded now, so that the traces get it."""
    if entry is None and isinstance(opened, Trace):
        return Session(traces=[StoredTrace.without_model(opened)], exporter=page)
    workspace = Workspace([opened]) if isinstance(opened, Trace) else opened
    if entry is None:
        return Session(workspace=workspace, exporter=page)
    with Console(stderr=True).status(f"Loading {entry.title}"):
        loaded = ModelEntry.loaded(entry.load())
    return Session([loaded], workspace=workspace, examples=EXAMPLES, exporter=page)
