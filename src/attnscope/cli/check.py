"""`attnscope check`: how closely the attention that attnscope shows matches what the model itself computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.images import ImageFiles, image_paths
from attnscope.cli.texts import require_words

if TYPE_CHECKING:
    from rich.table import Table

    from attnscope.trace import Certificate

TEXT = "The quick, brown fox jumps over the lazy"


def check(
    model: Annotated[
        str,
        typer.Argument(help="Hub id, local folder, .gguf file, or a packaged model: smollm2, minilm, rxnmapper."),
    ],
    text: Annotated[
        str | None, typer.Option(help=f"Text to run the comparison on. Default without --image: {TEXT!r}.")
    ] = None,
    pair: Annotated[str | None, typer.Option(help="Second sentence.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Target text: the decoder input of an encoder-decoder model.")
    ] = None,
    image: ImageFiles = None,
) -> None:
    """Compare the attention that attnscope shows with the model's own, layer by layer.

    Exits with code 0 if they match and 1 if they differ.
    """
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    images = image_paths(image)
    text = TEXT if text is None and images is None else text
    if text is not None:
        require_words(text, "--text")
    entry = model_entry(model)
    console = Console()
    with Console(stderr=True).status(f"Checking {entry.title}"):
        loaded = entry.load()
        certificate = loaded.check(text, pair, target=target, image=images)
    for table in _tables(certificate):
        console.print(table)
    console.print(certificate.sentence, soft_wrap=True)
    console.print("exact" if certificate.ok else "not exact", style="bold green" if certificate.ok else "bold red")
    raise typer.Exit(0 if certificate.ok else 1)


def _tables(certificate: Certificate) -> list[Table]:
    """One table per stack, with one row per layer."""
    from rich.table import Table

    tables: list[Table] = []
    for name, layers in certificate.stacks.items():
        table = Table(title=f"{name}, tolerance {certificate.tolerance:g}")
        table.add_column("layer", justify="right")
        for heading in ("Σ α·v", "hidden states", "eager weights"):
            table.add_column(heading, justify="right")
        table.add_column("")
        table.add_column("note")
        for layer in layers:
            errors = (layer.weighted_values, layer.hidden_states, layer.eager_weights)
            verdict = "[green]ok[/green]" if layer.ok else "[red]differs[/red]"
            table.add_row(str(layer.layer), *(_error(error) for error in errors), verdict, layer.note or "")
        tables.append(table)
    return tables


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.1e}"
