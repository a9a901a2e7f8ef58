"""`attnscope figure`: a figure for a paper, as PDF, SVG or PNG."""

from __future__ import annotations

import re
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, text_or_chat
from attnscope.cli.inputs import Pair, Source, Target, Text, trace_of
from attnscope.cli.positions import HELP, tokens_given
from attnscope.errors import InputError

KINDS = (".pdf", ".svg", ".png")


class View(StrEnum):
    """The views of `attnscope.figure`."""

    head = "head"
    model = "model"
    neuron = "neuron"
    matrix = "matrix"


class Scale(StrEnum):
    """How a weight becomes darkness."""

    linear = "linear"
    root = "root"
    log = "log"


def figure(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write: .pdf, .svg or .png.")],
    text: Text = None,
    chat: Chat = None,
    pair: Pair = None,
    target: Target = None,
    view: Annotated[View, typer.Option(help="What is drawn.")] = View.head,
    layer: Annotated[
        int | None, typer.Option(help="Layer of the head, neuron and matrix view; the first with attention by default.")
    ] = None,
    heads: Annotated[str | None, typer.Option(help="Heads, such as 0 or 0,3,5-7. Default: all, or the first.")] = None,
    layers: Annotated[str | None, typer.Option(help="Layers of the model view, such as 0-3.")] = None,
    token: Annotated[str | None, typer.Option(help=f"The selected token: {HELP}.")] = None,
    stack: Annotated[str | None, typer.Option(help="encoder, decoder or cross, where there are several.")] = None,
    width: Annotated[str, typer.Option(help="column (3.25 in), page (6.75 in), or inches.")] = "column",
    scale: Annotated[Scale | None, typer.Option(help="How a weight becomes darkness.")] = None,
    only: Annotated[str | None, typer.Option("--filter", help="AA, AB, BA or BB: from sentence to sentence.")] = None,
    hide_sinks: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--hide-sinks", help="Leave out attention to the first and special tokens.")
    ] = False,
    threshold: Annotated[float, typer.Option(help="Leave out weights below this.")] = 0.0,
    top: Annotated[int | None, typer.Option(help="Draw only so many of the heaviest keys of each row.")] = None,
) -> None:
    """Draw a model on a text, or a saved trace, as a figure for a paper; its caption is printed and kept in the file."""
    if output.suffix.lower() not in KINDS:
        raise InputError(f"A figure is written as {', '.join(KINDS)}; got {output.name!r}.")
    if output.is_dir() or not output.parent.is_dir():
        problem = "is a folder" if output.is_dir() else "lies in a folder that does not exist"
        raise InputError(f"The figure cannot be written: {str(output)!r} {problem}.")
    chosen_heads, chosen_layers = numbers("--heads", heads), numbers("--layers", layers)
    inches = _inches(width)
    trace = trace_of(source, text_or_chat(text, chat), pair, target)
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
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
        unfinished = Path(folder) / output.name
        drawn.savefig(unfinished)
        unfinished.replace(output)
    typer.echo(getattr(drawn, "attnscope_caption", ""))


def numbers(option: str, given: str | None) -> list[int] | None:
    """`0,3,5-7` as numbers; None for None."""
    if given is None:
        return None
    found: list[int] = []
    for part in given.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part)
        if match is None:
            raise InputError(f"{option} is a list of numbers and ranges such as 0,3,5-7; got {given!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        found.extend(range(first, last + 1))
    return found


def _inches(width: str) -> str | float:
    try:
        return float(width)
    except ValueError:
        return width
