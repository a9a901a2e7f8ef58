"""`attnscope figure`: a figure for a paper, as PDF, SVG or PNG."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, ContinueFinalMessage, text_or_chat
from attnscope.cli.images import ImageFiles
from attnscope.cli.inputs import Pair, Source, Target, Text, trace_of
from attnscope.cli.numbers import numbers
from attnscope.cli.positions import HELP, tokens_given
from attnscope.errors import InputError
from attnscope.files import check_target

KINDS = (".pdf", ".svg", ".png")


class View(StrEnum):
    """The views of `attnscope.figure`."""

    head = "head"
    model = "model"
    neuron = "neuron"
    matrix = "matrix"


class Scale(StrEnum):
    """How an attention weight maps to darkness."""

    linear = "linear"
    root = "root"
    log = "log"


def figure(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .pdf, .svg or .png.")],
    text: Text = None,
    chat: Chat = None,
    continue_final_message: ContinueFinalMessage = False,  # noqa: FBT002 - typer makes a flag of it
    pair: Pair = None,
    target: Target = None,
    image: ImageFiles = None,
    view: Annotated[View, typer.Option(help="View to draw.")] = View.head,
    layer: Annotated[
        int | None,
        typer.Option(help="Layer for the head, neuron and matrix views. Default: the first layer with attention."),
    ] = None,
    heads: Annotated[
        str | None, typer.Option(help="Heads to draw, such as 0 or 0,3,5-7. Default: all, or the first.")
    ] = None,
    layers: Annotated[str | None, typer.Option(help="Layers for the model view, such as 0-3. Default: all.")] = None,
    token: Annotated[str | None, typer.Option(help=f"Token to select: {HELP}.")] = None,
    stack: Annotated[
        str | None, typer.Option(help="encoder, decoder or cross, for a model with several stacks.")
    ] = None,
    width: Annotated[str, typer.Option(help="column (3.25 in), page (6.75 in), or a width in inches.")] = "column",
    scale: Annotated[Scale | None, typer.Option(help="How a weight maps to darkness.")] = None,
    only: Annotated[
        str | None, typer.Option("--filter", help="AA, AB, BA or BB: draw only attention from one sentence to another.")
    ] = None,
    hide_sinks: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool,
        typer.Option("--hide-sinks", help="Hide attention sinks: attention to the first token and to special tokens."),
    ] = False,
    threshold: Annotated[float, typer.Option(help="Hide weights below this.")] = 0.0,
    top: Annotated[int | None, typer.Option(help="Draw only this many of the largest weights in each row.")] = None,
) -> None:
    """Draw a figure for a paper, from a model and a text or from a saved trace.

    The caption is printed and stored in the file.
    """
    if output.suffix.lower() not in KINDS:
        raise InputError(f"The figure's file name must end in {', '.join(KINDS)}; got {output.name!r:.80}.")
    check_target(output, "the figure")
    chosen_heads, chosen_layers = numbers("--heads", heads), numbers("--layers", layers)
    inches = _inches(width)
    trace = trace_of(
        source, text_or_chat(text, chat), pair, target, image, continue_final_message=continue_final_message
    )
    import attnscope

    drawn = attnscope.figure(
        trace,
        view.value,
        layer,
        chosen_heads,
        tokens_given(token, trace.tokens_for(stack)[0], "--token"),
        stack=stack,
        layers=chosen_layers,
        width=inches,
        scale=None if scale is None else scale.value,
        filter=only,  # pyright: ignore[reportArgumentType] - checked there
        hide_sinks=hide_sinks,
        threshold=threshold,
        top=top,
    )
    drawn.savefig(output)
    typer.echo(getattr(drawn, "attnscope_caption", ""))


def _inches(width: str) -> str | float:
    try:
        return float(width)
    except ValueError:
        return width
