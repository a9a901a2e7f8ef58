"""`attnscope heads`: rank the heads of a model by a measure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import Chat, ContinueFinalMessage, text_or_chat
from attnscope.cli.edits import print_edits
from attnscope.cli.images import ImageFiles
from attnscope.cli.inputs import Pair, Source, Target, Text, trace_of
from attnscope.deprecation import renamed_value
from attnscope.errors import InputError
from attnscope.files import check_target, replacing

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from attnscope.trace import Trace

ALWAYS = (
    "entropy", "confidence", "distance", "previous", "self", "next", "first_token", "special_tokens", "a_to_b", "b_to_a",
    "induction", "duplicate_token",
)  # fmt: skip
"""The columns that the printed table shows where they are defined; the CSV file has all measures."""


def heads(
    source: Source,
    text: Text = None,
    chat: Chat = None,
    continue_final_message: ContinueFinalMessage = False,  # noqa: FBT002 - typer makes a flag of it
    pair: Pair = None,
    target: Target = None,
    image: ImageFiles = None,
    by: Annotated[str, typer.Option(help="Measure to rank the heads by.")] = "entropy",
    lowest: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--lowest", help="Rank from lowest to highest.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Number of heads to show.")] = 20,
    off_sink: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool,
        typer.Option(
            "--off-sink",
            help="Measure attention without the attention sinks (a decoder's first token, special tokens), with each row "
            "renormalized.",
        ),
    ] = False,
    stack: Annotated[
        str | None, typer.Option(help="encoder, decoder or cross, for a model with several stacks.")
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(
            help="Instead of one text: a file with a text a line (or .csv, .jsonl, .parquet), or - for standard input. Shows "
            "mean, 95 % interval and n."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write all heads and measures to this CSV file.")] = None,
) -> None:
    """Measure where each head attends and how broadly, on a text or a saved trace."""
    from rich.console import Console

    if csv is not None:
        check_target(csv, "the table")
    name = renamed_value("--by", by.strip().replace("-", "_"), {"normalised_entropy": "normalized_entropy"})
    _check_name(name)
    if texts is not None:
        if any(one is not None for one in (text, chat, pair, target, image)):
            raise InputError("--texts has all texts. Drop --text, --chat, --pair, --target and --image.")
        _over_texts(source, texts, name, top, csv, stack, lowest=lowest, off_sink=off_sink)
        return
    trace = trace_of(
        source, text_or_chat(text, chat), pair, target, image, continue_final_message=continue_final_message
    )
    found = _measured(trace, stack, name, off_sink=off_sink)
    ordered = found.sort_values(name, ascending=lowest, kind="stable", na_position="last")
    if csv is not None:
        _write(ordered, csv)
    Console().print(_table(ordered.head(top), name))
    typer.echo(_summary(found, name, top, off_sink=off_sink))
    print_edits(trace)
    if csv is not None:
        typer.echo(f"{csv}: all {len(found)} heads, {len(found.columns) - 2} measures.")


def _over_texts(
    model: str, texts: str, by: str, top: int, csv: Path | None, stack: str | None, *, lowest: bool, off_sink: bool
) -> None:
    """Measure the heads on many texts."""
    from attnscope.cli.prompts import prompts_of
    from attnscope.cli.results import print_result
    from attnscope.cli.studies import study_of

    with study_of(model, prompts_of(texts), "Measuring") as (study, observer):
        found = study.heads(by, stack=stack, off_sink=off_sink, observer=observer)
    print_result(found, top, lowest=lowest)
    if csv is not None:
        _write(found.frame(), csv)
        typer.echo(f"{csv}: all {len(found.cells)} heads on {len(found.inputs)} texts.")


def _check_name(name: str) -> None:
    from attnscope.analysis import MEASURES

    names = [measure.name for measure in MEASURES]
    if name not in names:
        raise InputError(f"Unknown measure {name!r:.300}. --by must be one of {', '.join(names)}.")


def _measured(trace: Trace, stack: str | None, by: str, *, off_sink: bool) -> pandas.DataFrame:
    """The measures of every head. Raises `InputError` if `by` is not defined for this input."""
    from attnscope import analysis

    if stack not in trace.stacks and (stack is not None or len(trace.stacks) > 1):
        raise InputError(f"--stack must be one of {', '.join(trace.stacks)}; got {stack or 'none'}.")
    names = [measure.name for measure in analysis.MEASURES]
    found = analysis.heads(trace, stack, off_sink=off_sink)
    defined = _defined(found)
    if by not in defined:
        available = ", ".join(name for name in names if name in defined)
        without = " without attention sinks" if off_sink else ""
        raise InputError(
            f"The measure {by!r:.300} is not defined for this input{without}. Defined measures: {available or 'none'}."
        )
    return found


def _defined(found: pandas.DataFrame) -> list[str]:
    """The columns in which at least one head has a number."""
    return [str(name) for name in found.dropna(axis=1, how="all").columns]


def _table(found: pandas.DataFrame, by: str) -> Table:
    """One row per head: its name, the measure it is ranked by, and the other measures."""
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


def _summary(found: pandas.DataFrame, by: str, top: int, *, off_sink: bool) -> str:
    """What the table shows, and what the measure means."""
    from attnscope.analysis import MEASURES

    measure = next(measure for measure in MEASURES if measure.name == by)
    unit = f" ({measure.unit})" if measure.unit else ""
    note = " Attention sinks are dropped and each row is renormalized." if off_sink else ""
    return f"{min(top, len(found))} of {len(found)} heads by {measure.title}{unit}. {measure.sentence}{note}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _write(found: pandas.DataFrame, path: Path) -> None:
    with replacing(path, "the table") as unfinished:
        found.to_csv(unfinished, index=False)
