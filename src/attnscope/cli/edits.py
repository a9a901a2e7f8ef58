"""Edits as a person gives them on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attnscope.errors import MissingError

if TYPE_CHECKING:
    from attnscope.edits import Edit


def edits_given(written: Sequence[str], path: Path | None) -> list[Edit]:
    """Those of a file (a JSON list), then each that was written out. Raises `InputError`, or `MissingError` without the file."""
    from attnscope.edits import from_json

    if path is not None and not path.is_file():
        raise MissingError(f"There is no file {str(path)!r} with edits.")
    found = [] if path is None else from_json(path.read_bytes())
    return [*found, *(edit for one in written for edit in from_json(f"[{one}]"))]
