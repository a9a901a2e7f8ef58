"""Files that commands write."""

from __future__ import annotations

from pathlib import Path

from attnscope.errors import InputError


def check_output(path: Path | None, what: str) -> None:
    """Raise `InputError` if no file can be written at `path`, before the work begins. `what` names the file's content."""
    if path is None:
        return
    try:
        is_folder, has_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:
        raise InputError(f"Cannot write {what}: {error.strerror or error} ({str(path)!r:.80}).") from error
    if is_folder or not has_folder:
        problem = "is a folder" if is_folder else "is in a folder that does not exist"
        raise InputError(f"Cannot write {what}: {str(path)!r:.300} {problem}.")
