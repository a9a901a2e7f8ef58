"""Results of studies on the command line: a table with n and interval, and files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from attnscope.errors import InputError
from attnscope.files import replacing, writing

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from attnscope.study.result import Result

_SMALLEST = 0.001


def print_result(result: Result, top: int, value: str | None = None, *, lowest: bool = False) -> None:
    """Print the largest cells (edits before their controls) with mean, interval and n, and below what the numbers are."""
    from rich.console import Console

    found = result.shown(top, value, lowest=lowest)
    Console().print(_table(found))
    name = result.main if value is None else value
    count = f"{len(found)} of {len(result.cells)}"
    typer.echo(f"{count} by {'|mean|' if result.signed else 'mean'} of {name.replace('_', ' ')}. {result.sentence}")
    for note in result.summary(name).attrs["notes"]:
        typer.echo(note)
    typer.echo(
        f"{len(result.inputs)} input{'s' if len(result.inputs) != 1 else ''} from {result.units} independent "
        f"unit{'s' if result.units != 1 else ''} (rows); mean and 95 % interval over units. Cells "
        "that were chosen because they are largest look larger than they are."
    )


def check_folder(folder: Path) -> None:
    """Raise `InputError` if `folder` cannot be a folder for results."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r:.300} is not a folder. Pass a folder for the results: -o DIR.")
    nearest = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(
            f"Cannot write the results to {str(folder)!r:.300}: {str(nearest)!r:.300} cannot be written to."
        )


def write_results(result: Result, folder: Path, name: str, value: str | None = None) -> list[Path]:
    """Write every value (Parquet), the summary (CSV) and a figure (PDF) into `folder`; the paths of the files."""
    with writing(folder, "the results"):
        folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.parquet", folder / f"{name}-summary.csv", folder / f"{name}.pdf"]
    result.save(paths[0])
    with replacing(paths[1], "the summary") as unfinished:
        result.summary(value).to_csv(unfinished, index=False)
    with replacing(paths[2], "the figure") as unfinished:
        result.plot(value).savefig(unfinished, format="pdf")
    return paths


def _table(found: pandas.DataFrame) -> Table:
    from rich.table import Table
    from rich.text import Text

    numbers = [name for name in ("mean", "low", "high", "q") if name in found.columns]
    places = [str(name) for name in found.columns if name not in (*numbers, "n")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    of_heads = {"layer", "head"} <= set(places)
    rest = [name for name in places if not (of_heads and name in ("layer", "head"))]
    for name in [*(["head"] if of_heads else []), *rest, *numbers, "n"]:
        table.add_column(name, justify="left" if name in ("variant", "dims", "position") else "right", no_wrap=True)
    for row in found.to_dict("records"):
        cells = [f"{row['layer']}.{row['head']}"] if of_heads else []
        cells += [str(row[name]) for name in rest] + [_number(row[name]) for name in numbers] + [str(row["n"])]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _number(value: Any) -> str:
    number = float(value)
    if math.isnan(number):
        return "–"
    return f"{number:.3f}" if abs(number) >= _SMALLEST or number == 0 else f"{number:.1e}"
