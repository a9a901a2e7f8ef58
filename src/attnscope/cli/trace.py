"""`attnscope trace`: one pass through a model, written to a file that `attnscope serve` and `attnscope.open` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, text_or_chat
from attnscope.cli.edits import Listed, Written, edits_given, say_edits
from attnscope.cli.inputs import traced
from attnscope.errors import InputError


def trace(
    model: Annotated[
        str, typer.Argument(help="Hub id, local folder, .gguf file, or an embedded model: smollm2, minilm, rxnmapper.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, for example fox.trace.")],
    text: Annotated[str | None, typer.Option(help="The text to run the model on.")] = None,
    chat: Chat = None,
    pair: Annotated[str | None, typer.Option(help="A second sentence.")] = None,
    target: Annotated[str | None, typer.Option(help="What the decoder of an encoder-decoder model reads.")] = None,
    edit: Written = None,
    edits: Listed = None,
    weights: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--weights", help="Also write the output projections, for head outputs without the model.")
    ] = False,
) -> None:
    """Run a model on a text and save what its attention was computed from."""
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    made_edits = edits_given(edit or (), edits)
    given = text_or_chat(text, chat)
    if given is None:
        raise InputError("Pass what to run the model on: --text 'The quick, brown fox', or --chat FILE.")
    entry = model_entry(model)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        made = traced(entry.load(), given, pair, target, made_edits)
        made.save(output, weights=weights)
    for warning in made.warnings:
        typer.echo(warning, err=True)
    tokens, megabytes = len(made.tokens), output.stat().st_size / 1e6
    say_edits(made)
    typer.echo(f"{output}: {tokens} token{'s' if tokens != 1 else ''}, {megabytes:.1f} MB. {made.certificate.sentence}")
