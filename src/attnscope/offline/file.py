"""A page as a file, whole or not at all."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from attnscope.errors import InputError
from attnscope.offline.document import MAX_BYTES, Document, document
from attnscope.trace import Trace
from attnscope.trace.positions import Position

_log = logging.getLogger(__name__)


def export(
    trace: Trace,
    path: str | os.PathLike[str],
    layers: Iterable[int] | None = None,
    *,
    view: str | None = None,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    token: Position | None = None,
    stack: str | None = None,
    form: str = "auto",
    neurons: bool = True,
    values: bool | None = None,
    error: float | None = None,
    title: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Write one self-contained HTML file that shows a trace in any browser, from `file://` and without a network.

    `layers` are those to write (all); the page says which are left out. `view`, `layer`, `heads`, `token` and `stack` are what
    it shows at first; `form`, `neurons`, `values` and `error` choose what is in it (see `attnscope.offline.document`).

    The file's size is logged (level info) before it is written; above `max_bytes` nothing is, and `TooLongError` says what
    to do. The same trace gives the same bytes. Returns the path.
    """
    check_place(Path(path))
    made = document(
        trace,
        view=view,
        layer=layer,
        heads=heads,
        token=token,
        stack=stack,
        layers=layers,
        form=form,
        neurons=neurons,
        values=values,
        error=error,
        title=title,
        max_bytes=max_bytes,
    )
    _log.info("%s: %.1f MB", path, made.size / 1e6)
    return write(made, Path(path))


def check_place(path: Path) -> None:
    """Raise `InputError` where no file can be written at `path`: before the work is done."""
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"The page cannot be written: {str(path)!r} {problem}.")


def write(made: Document, path: Path) -> Path:
    """Write a page beside its place and move it there, so that it is whole or not there."""
    check_place(path)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
            file.write(made.html)
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return path
