"""`attnscope trace`: save a trace to a file that `attnscope serve` and `attnscope.open` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, ContinueFinalMessage, text_or_chat
from attnscope.cli.edits import EditOption, EditsFile, print_edits, read_edits
from attnscope.cli.images import ImageFiles, image_paths
from attnscope.cli.inputs import require_input, traced
from attnscope.files import check_target


def trace(
    model: Annotated[
        str, typer.Argument(help="Hub id, local folder, .gguf file, or a packaged model: smollm2, minilm, rxnmapper.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, such as fox.trace.")],
    text: Annotated[str | None, typer.Option(help="Text to run the model on.")] = None,
    chat: Chat = None,
    continue_final_message: ContinueFinalMessage = False,  # noqa: FBT002 - typer makes a flag of it
    image: ImageFiles = None,
    pair: Annotated[str | None, typer.Option(help="Second sentence.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Target text: the decoder input of an encoder-decoder model. Default: the model's own greedy output."
        ),
    ] = None,
    edit: EditOption = None,
    edits: EditsFile = None,
    weights: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool,
        typer.Option(
            "--weights",
            help="Also save the output projections (W_O), so that head outputs can be computed without the model.",
        ),
    ] = False,
) -> None:
    """Run a model on a text or an image and save the trace: the queries, keys and values that its attention is computed from."""
    from rich.console import Console

    from attnscope.cli.sources import model_entry

    check_target(output, "the trace")
    edit_list = read_edits(edit or (), edits)
    prompt, images = text_or_chat(text, chat), image_paths(image)
    require_input(model, prompt, images)
    entry = model_entry(model)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        loaded = entry.load()
        made = traced(
            loaded, prompt, pair, target, edit_list, image=images, continue_final_message=continue_final_message
        )
        made.save(output, weights=weights)
    for warning in made.warnings:
        typer.echo(warning, err=True)
    tokens, megabytes = len(made.tokens), output.stat().st_size / 1e6
    print_edits(made)
    typer.echo(f"{output}: {tokens} token{'s' if tokens != 1 else ''}, {megabytes:.1f} MB. {made.certificate.sentence}")
