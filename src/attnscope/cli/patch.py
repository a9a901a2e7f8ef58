"""`attnscope patch`: which heads, positions or layers carry the difference between two prompts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.errors import InputError

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from attnscope.model.patching.sweep import Sweep


def patch(
    model: Annotated[str, typer.Argument(help="Hub id, local folder, .gguf file, or an embedded model: smollm2.")],
    clean: Annotated[str, typer.Option(help="The prompt that activations are taken from.")],
    corrupted: Annotated[str, typer.Option(help="The prompt that they are put into; it needs as many tokens.")],
    answer: Annotated[
        str | None, typer.Option(help="The token that is measured. Default: the clean prompt's most probable one.")
    ] = None,
    foil: Annotated[str | None, typer.Option(help="A token to measure it against.")] = None,
    what: Annotated[str, typer.Option(help="output, attention, residual or mlp.")] = "output",
    by: Annotated[
        str | None, typer.Option(help="head, position or layer. Default: head; position for the stream.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="logit, probability, log_probability or ratio. Default: logit with a foil, else probability."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="What an encoder-decoder model's decoder reads.")] = None,
    stack: Annotated[str | None, typer.Option(help="encoder, decoder or cross, where there are several.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the largest effects to show.")] = 12,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write every cell to this CSV file.")
    ] = None,
) -> None:
    """Run a prompt again and again, each time with one activation as it is in another, and rank what that changes."""
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        problem = "is a folder" if output.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"The table cannot be written: {str(output)!r} {problem}.")
    entry = model_entry(model)
    with Console(stderr=True).status(f"Patching {entry.title}"):
        sweep = entry.load().patch(
            clean, corrupted, what=what, by=by, metric=metric, answer=answer, foil=foil, target=target, stack=stack
        )
    found = sweep.frame()
    there = found.dropna(subset="value")  # layers without attention have no heads
    ordered = there.sort_values("effect", key=abs, ascending=False, kind="stable")
    Console().print(_table(ordered.head(top)))
    typer.echo(_said(sweep, min(top, len(there)), len(there)))
    if output is not None:
        _write(found, output)
        typer.echo(f"{output}: all {len(found)} cells.")


def _table(found: pandas.DataFrame) -> Table:
    """One row a cell: where it is, what the metric becomes, and how much of the difference that is."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("value", "effect", "restored")
    columns = [str(name) for name in found.columns if name != "unchanged"]
    for name in columns:
        table.add_column(name, justify="left" if name in ("token", "source") else "right")
    for row in found.to_dict("records"):
        cells = (f"{row[name]:.3f}" if name in numbers else str(row[name]) for name in columns)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _said(sweep: Sweep, shown: int, cells: int) -> str:
    against = "" if sweep.foil is None else f" against {sweep.foil.text!r}"
    return (
        f"{shown} of {cells} by effect. {sweep.metric} of {sweep.answer.text!r}{against}: {sweep.corrupted:.4g} "
        f"in the corrupted prompt, {sweep.clean:.4g} in the clean one; restored is the part of that difference. Effects "
        f"below {sweep.error:.1g} are rounding."
    )


def _write(found: pandas.DataFrame, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        unfinished = Path(folder) / path.name
        found.to_csv(unfinished, index=False)
        unfinished.replace(path)
