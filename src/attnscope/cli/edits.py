"""The `--edit` and `--edits` options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.errors import MissingError
from attnscope.validation import user_path

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.trace import Trace

EditOption = Annotated[
    list[str] | None,
    typer.Option(
        help='Edit as JSON, such as {"type": "ScaleHead", "layer": 5, "head": 3, "factor": 0}. Can be repeated. '
        'A query, key or position is an index, a word ("nurse"), an occurrence (["the", 2]) or a span ([4, 5]).'
    ),
]
EditsFile = Annotated[Path | None, typer.Option(help="JSON file with a list of edits. They come before each --edit.")]


def read_edits(json_edits: Sequence[str], path: Path | None) -> list[Edit]:
    """Read the edits in a file (a JSON list), followed by those passed as JSON strings.

    Raises `InputError` for an invalid edit, and `MissingError` if the file does not exist.
    """
    from attnscope.edits import from_json

    if path is not None and not user_path(path).is_file():
        raise MissingError(f"The edits file {str(path)!r:.300} does not exist.")
    from_file = [] if path is None else from_json(path.read_bytes())
    return [*from_file, *(edit for text in json_edits for edit in from_json(f"[{text}]"))]


def print_edits(trace: Trace) -> None:
    """Print the edits that a trace was made with, if there are any."""
    from attnscope.edits.serialization import sentence_of

    sentence = sentence_of(trace.provenance.get("edits") or [])
    if sentence:
        typer.echo(sentence)
