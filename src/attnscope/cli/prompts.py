"""Prompts named on the command line: a file, standard input, a shipped set, or a template with rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnscope.errors import InputError, MissingError

if TYPE_CHECKING:
    from attnscope.prompt_sets import PromptSet

Prompts = Annotated[
    str,
    typer.Argument(
        help="File of prompts (.txt: a text a line; .csv, .jsonl or .parquet with a column text), - for standard input (a text a "
        "line), or a shipped set: ages, brackets, lists, names, occupations, pronouns, subject_verb. With --template, the file "
        "holds the rows that fill it (- is CSV).",
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(help='Text with slots, such as "The {x} asked the {y} a question. {p}". Can be repeated.'),
]
Cross = Annotated[
    list[str] | None,
    typer.Option(help="Values to combine with every row, such as p=She,He. Can be repeated."),
]
Swap = Annotated[
    str | None, typer.Option(help="Two slots whose places are also exchanged, such as x,y: both orders of the nouns.")
]
Column = Annotated[str, typer.Option("--column", help="Name of the column that holds the texts.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first prompts (with --template: rows).")]


def prompts_of(
    source: str,
    template: Sequence[str] | None = None,
    cross: Sequence[str] | None = None,
    swap: str | None = None,
    column: str = "text",
    limit: int | None = None,
) -> PromptSet:
    """The prompts that the options describe. Raises `InputError` or `MissingError`."""
    import attnscope

    if template:
        crossed = dict(_crossed(one) for one in cross or ())
        places = None if swap is None else _two(swap)
        rows: Any = standard_input(table=True) if source == "-" else existing_file(source, "the rows of the template")
        return attnscope.prompts(list(template), rows=rows, cross=crossed, swap=places, limit=limit)
    if cross or swap:
        raise InputError("--cross and --swap fill the slots of a template. Add --template, or drop them.")
    if source == "-":
        return attnscope.prompts(standard_input(table=False), text=column, limit=limit)
    if not Path(source).exists() and source in attnscope.prompts.shipped():
        found = attnscope.prompts.shipped(source)
        return found if limit is None else found[:limit]
    return attnscope.prompts(existing_file(source, "prompts"), text=column, limit=limit)


def existing_file(source: str, what: str) -> Path:
    """The path of a file. Raises `MissingError` if there is none; `what` says what it would hold."""
    import attnscope

    path = Path(source)
    if not path.exists():
        shipped = ", ".join(attnscope.prompts.shipped())
        raise MissingError(
            f"There is no file {source!r:.300} with {what}. Pass a file, -, or a shipped set: {shipped}."
        )
    return path


def standard_input(*, table: bool) -> object:
    """Lines of text, or a CSV table with a header."""
    text = sys.stdin.read()
    if not text.strip():
        raise InputError(
            f"Standard input is empty. Pipe in {'a CSV table with a header' if table else 'one text a line'}."
        )
    if table:
        from attnscope.prompt_sets.table_file import csv_table

        return csv_table(text, "Standard input")
    return [line for line in text.splitlines() if line.strip()]


def _crossed(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(",")]
    if not equals or not name.strip() or not all(found):
        raise InputError(f"--cross is a slot and its values, such as p=She,He; got {text!r:.80}.")
    return name.strip(), found


def _two(text: str) -> tuple[str, str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"--swap names two slots, such as x,y; got {text!r:.80}.")
    return parts[0], parts[1]
