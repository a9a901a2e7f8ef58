"""Models named on the command line, as entries of a session."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

import attnscope
from attnscope.cli.models import get_embedded
from attnscope.model.loading.packaged import EMBEDDED, is_ready
from attnscope.session import HeldTrace, ModelEntry


def model_entry(name: str) -> ModelEntry:
    """The entry of a model. What can be wrong with it is raised here, before anything is served.

    An embedded model is put into the cache here, with a progress bar, and loaded when the session asks for it. Any
    other model is loaded at once: only that tells whether it is there and whole.
    """
    known = EMBEDDED.get(name)
    if known is None:
        with Console(stderr=True).status(f"Loading {name}"):
            return ModelEntry.loaded(attnscope.load(name))
    if not is_ready(name):
        get_embedded(known)
    return ModelEntry(known.name, known.title, known.kind, lambda: attnscope.load(name))


def saved_trace(name: str) -> HeldTrace | None:
    """The trace in a file of that name, to be shown without its model; None for what names no `.trace` file."""
    path = Path(name).expanduser()
    if path.suffix.lower() != ".trace" or path.is_dir():
        return None
    return HeldTrace.alone(attnscope.open(path))
