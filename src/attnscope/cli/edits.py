"""Edits as a person gives them on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.errors import MissingError

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.trace import Trace

Written = Annotated[
    list[str] | None,
    typer.Option(
        help='An edit as JSON: {"type": "ScaleHead", "layer": 5, "head": 3, "factor": 0}. May be repeated. A query, key or '
        'position is an index, a word ("nurse"), an occurrence (["the", 2]) or a span ([4, 5]).'
    ),
]
Listed = Annotated[Path | None, typer.Option(help="A JSON file with a list of edits.")]


def edits_given(written: Sequence[str], path: Path | None) -> list[Edit]:
    """Those of a file (a JSON list), then each that was written out. Raises `InputError`, or `MissingError` without the file."""
    from attnscope.edits import from_json

    if path is not None and not path.is_file():
        raise MissingError(f"There is no file {str(path)!r} with edits.")
    found = [] if path is None else from_json(path.read_bytes())
    return [*found, *(edit for one in written for edit in from_json(f"[{one}]"))]


def say_edits(trace: Trace) -> None:
    """Print what a trace was changed by, if by anything."""
    from attnscope.edits import sentence_of

    said = sentence_of(trace.provenance.get("edits") or [])
    if said:
        typer.echo(said)
