"""`attnscope heads`: the heads of a model on a text, in the order of a measure."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import Chat, text_or_chat
from attnscope.cli.edits import say_edits
from attnscope.cli.inputs import Pair, Source, Target, Text, trace_of
from attnscope.errors import InputError

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from attnscope.trace import Trace

ALWAYS = (
    "entropy", "confidence", "distance", "previous", "self", "next", "first_token", "special_tokens", "a_to_b", "b_to_a",
    "induction", "duplicate_token",
)  # fmt: skip
"""The columns that the table shows where they are defined; a file has all."""


def heads(
    source: Source,
    text: Text = None,
    chat: Chat = None,
    pair: Pair = None,
    target: Target = None,
    by: Annotated[str, typer.Option(help="The measure that puts the heads in order.")] = "entropy",
    lowest: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--lowest", help="Show the lowest values first, not the highest.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="How many heads to show.")] = 20,
    off_sink: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--off-sink", help="Without the sinks: the first token of a decoder, special tokens.")
    ] = False,
    stack: Annotated[str | None, typer.Option(help="encoder, decoder or cross, where there are several.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write all heads and measures to this file.")] = None,
) -> None:
    """Measure every head of a model on a text, or of a saved trace: where it looks, and how widely."""
    from rich.console import Console

    if csv is not None and (csv.is_dir() or not csv.parent.is_dir()):
        problem = "is a folder" if csv.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"The table cannot be written: {str(csv)!r} {problem}.")
    name = by.strip().replace("-", "_")
    _check_name(name)
    trace = trace_of(source, text_or_chat(text, chat), pair, target)
    found = _measured(trace, stack, name, off_sink=off_sink)
    ordered = found.sort_values(name, ascending=lowest, kind="stable", na_position="last")
    if csv is not None:
        _write(ordered, csv)
    Console().print(_table(ordered.head(top), name))
    typer.echo(_said(found, name, top, off_sink=off_sink))
    say_edits(trace)
    if csv is not None:
        typer.echo(f"{csv}: all {len(found)} heads, {len(found.columns) - 2} measures.")


def _check_name(name: str) -> None:
    from attnscope.analysis import MEASURES

    names = [measure.name for measure in MEASURES]
    if name not in names:
        raise InputError(f"There is no measure {name!r}; --by takes one of {', '.join(names)}.")


def _measured(trace: Trace, stack: str | None, by: str, *, off_sink: bool) -> pandas.DataFrame:
    """The measures of every head, among which `by` is defined."""
    from attnscope import analysis

    if stack not in trace.stacks and (stack is not None or len(trace.stacks) > 1):
        raise InputError(f"Choose one of the stacks {', '.join(trace.stacks)} with --stack; got {stack or 'none'}.")
    names = [measure.name for measure in analysis.MEASURES]
    found = analysis.heads(trace, stack, off_sink=off_sink)
    defined = _defined(found)
    if by not in defined:
        known = ", ".join(name for name in names if name in defined)
        without = " without the sinks" if off_sink else ""
        raise InputError(f"The measure {by!r} is not defined for this input{without}; there are {known or 'none'}.")
    return found


def _defined(found: pandas.DataFrame) -> list[str]:
    """The columns in which any head has a number."""
    return [str(name) for name in found.dropna(axis=1, how="all").columns]


def _table(found: pandas.DataFrame, by: str) -> Table:
    """One row a head: its name, the measure that orders, and the others."""
    from rich.table import Table

    from attnscope.analysis import MEASURES

    titles = {measure.name: measure.title for measure in MEASURES}
    columns = [by, *(name for name in ALWAYS if name != by and name in _defined(found))]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Head", justify="right", no_wrap=True)
    for name in columns:
        table.add_column(titles[name], justify="right", style="bold" if name == by else "", vertical="bottom")
    for row in found.to_dict("records"):
        table.add_row(f"{row['layer']:.0f}.{row['head']:.0f}", *(_number(row[name]) for name in columns))
    return table


def _said(found: pandas.DataFrame, by: str, top: int, *, off_sink: bool) -> str:
    """What is shown, and what the measure says."""
    from attnscope.analysis import MEASURES

    one = next(measure for measure in MEASURES if measure.name == by)
    unit = f" ({one.unit})" if one.unit else ""
    left = " Sinks are left out and rows brought back to a sum of 1." if off_sink else ""
    return f"{min(top, len(found))} of {len(found)} heads by {one.title}{unit}. {one.sentence}{left}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _write(found: pandas.DataFrame, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        unfinished = Path(folder) / path.name
        found.to_csv(unfinished, index=False)
        unfinished.replace(path)
