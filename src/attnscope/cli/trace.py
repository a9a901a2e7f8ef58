"""`attnscope trace`: one pass through a model, written to a file that `attnscope serve` and `attnscope.open` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trace(
    model: Annotated[
        str, typer.Argument(help="Hub id, local folder, .gguf file, or an embedded model: smollm2, minilm, rxnmapper.")
    ],
    text: Annotated[str, typer.Option(help="The text to run the model on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, for example fox.trace.")],
    pair: Annotated[str | None, typer.Option(help="A second sentence.")] = None,
    target: Annotated[str | None, typer.Option(help="What the decoder of an encoder-decoder model reads.")] = None,
    weights: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--weights", help="Also write the output projections, for head outputs without the model.")
    ] = False,
) -> None:
    """Run a model on a text and save what its attention was computed from."""
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    entry = model_entry(model)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        made = entry.load().trace(text, pair, target=target)
        made.save(output, weights=weights)
    for warning in made.warnings:
        typer.echo(warning, err=True)
    tokens, megabytes = len(made.tokens), output.stat().st_size / 1e6
    typer.echo(f"{output}: {tokens} token{'s' if tokens != 1 else ''}, {megabytes:.1f} MB. {made.certificate.sentence}")
