"""`attnscope patch`: activation patching, to find the heads, positions or layers that carry the difference of two prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnscope.cli.images import ImageFiles, image_paths
from attnscope.cli.texts import require_words
from attnscope.errors import InputError
from attnscope.files import check_target, replacing

if TYPE_CHECKING:
    import pandas
    from rich.table import Table

    from attnscope.model.patching.sweep import Sweep


def patch(
    model: Annotated[str, typer.Argument(help="Hub id, local folder, .gguf file, or a packaged model: smollm2.")],
    clean: Annotated[str | None, typer.Option(help="Prompt to take activations from.")] = None,
    corrupted: Annotated[
        str | None,
        typer.Option(
            help="Prompt to patch them into. Prompts of different lengths are aligned. Default with --corrupted-image: --clean."
        ),
    ] = None,
    image: ImageFiles = None,
    corrupted_image: Annotated[
        list[Path] | None,
        typer.Option(help="Image file of the corrupted prompt, if it is not --image. Can be repeated."),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="Continuation to measure. Default: the most probable next token of the clean prompt."),
    ] = None,
    foil: Annotated[str | None, typer.Option(help="Continuation to compare the answer with.")] = None,
    what: Annotated[str, typer.Option(help="Activation to patch: output, attention, residual or mlp.")] = "output",
    by: Annotated[
        str | None,
        typer.Option(
            help="Unit to patch: head, position or layer. Default: head for output and attention, position for "
            "residual and mlp."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="logit, probability, log_probability or ratio. Default: logit with a foil, else probability; for several "
            "tokens log_probability."
        ),
    ] = None,
    unequal: Annotated[
        str,
        typer.Option(help="How to patch a span from one with another number of tokens: last, skip or mean."),
    ] = "last",
    target: Annotated[
        str | None, typer.Option(help="Target text: the decoder input of an encoder-decoder model.")
    ] = None,
    stack: Annotated[
        str | None, typer.Option(help="encoder, decoder or cross, for a model with several stacks.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of the largest effects to show.")] = 12,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Instead of two prompts: a .csv, .jsonl or .parquet file with the columns clean, corrupted and, if wanted, "
            "answer and foil, or - for CSV on standard input. Shows mean, 95 % interval and n."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write every result to this CSV file.")
    ] = None,
) -> None:
    """Rank heads, positions or layers by activation patching.

    Runs the corrupted prompt with one activation at a time taken from the clean prompt, and ranks the effects on the answer.
    """
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    if output is not None:
        check_target(output, "the table")
    if pairs is not None:
        if any(one is not None for one in (clean, corrupted, image, corrupted_image, target)):
            raise InputError(
                "--pairs has all prompts. Drop --clean, --corrupted, --image, --corrupted-image and --target."
            )
        options = {"what": what, "by": by, "metric": metric, "stack": stack}
        _over_pairs(model, pairs, answer, foil, options, top, output)
        return
    for option, words in (("--clean", clean), ("--corrupted", corrupted)):
        if words is not None:
            require_words(words, option)
    images, other_images = image_paths(image), image_paths(corrupted_image)
    other = clean if corrupted is None and other_images is not None else corrupted
    if (clean is None and images is None) or (other is None and other_images is None):
        raise InputError("Pass two prompts: --clean and --corrupted, or --image and --corrupted-image.")
    entry = model_entry(model)
    with Console(stderr=True).status(f"Patching {entry.title}"):
        loaded = entry.load()
        first = loaded.encode(clean, target=target, image=images)
        second = loaded.encode(other, target=target, image=images if other_images is None else other_images)
        sweep = loaded.patch(
            first, second, what=what, by=by, metric=metric, answer=answer, foil=foil, stack=stack, unequal=unequal
        )
    found = sweep.frame()
    there = found.dropna(subset="value")  # layers without attention have no heads
    ordered = there.sort_values("effect", key=abs, ascending=False, kind="stable")
    Console().print(_table(ordered.head(top)))
    typer.echo(_summary(sweep, min(top, len(there)), len(there)))
    for note in sweep.notes:
        typer.echo(note)
    if output is not None:
        _write(found, output)
        typer.echo(f"{output}: all {len(found)} results.")


def _over_pairs(
    model: str,
    pairs: str,
    answer: str | None,
    foil: str | None,
    options: dict[str, Any],
    top: int,
    output: Path | None,
) -> None:
    """Patch between the prompts of many pairs."""
    from attnscope.cli.pairs import prompt_pairs
    from attnscope.cli.results import print_result
    from attnscope.cli.studies import study_of

    found = prompt_pairs(pairs, answer, foil)
    with study_of(model, found.prompts, "Patching") as (study, observer):
        given = {name: value for name, value in options.items() if value is not None}
        result = study.patch(found.between, found.answer, found.foil, observer=observer, **given)
    print_result(result, top)
    if output is not None:
        _write(result.frame(), output)
        typer.echo(f"{output}: all {len(result.cells)} results for {len(result.inputs)} pairs.")


def _table(found: pandas.DataFrame) -> Table:
    """One row per result: the place, the metric after patching, and how much of the difference it restores."""
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


def _summary(sweep: Sweep, shown: int, cells: int) -> str:
    foil = "" if sweep.foil is None else f" versus {sweep.foil.text!r}"
    return (
        f"{shown} of {cells} results, by effect. {sweep.metric} of {sweep.answer.text!r}{foil}: {sweep.corrupted:.4g} "
        f"in the corrupted prompt, {sweep.clean:.4g} in the clean prompt. `restored` is the share of that difference. "
        f"Effects below {sweep.error:.1g} are rounding error."
    )


def _write(found: pandas.DataFrame, path: Path) -> None:
    with replacing(path, "the table") as unfinished:
        found.to_csv(unfinished, index=False)
