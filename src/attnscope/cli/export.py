"""`attnscope export`: one trace as one HTML file that opens anywhere, without a server or a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, text_or_chat
from attnscope.cli.edits import say_edits
from attnscope.cli.inputs import Pair, Source, Target, Text, trace_of
from attnscope.cli.positions import HELP, tokens_given


def export(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, for example fox.html.")],
    text: Text = None,
    chat: Chat = None,
    pair: Pair = None,
    target: Target = None,
    layers: Annotated[str | None, typer.Option(help="The layers to write, as 0-5,9. Default: all.")] = None,
    view: Annotated[str | None, typer.Option(help="model, head or neuron: that view over the whole page.")] = None,
    layer: Annotated[int | None, typer.Option(help="The layer that is shown at first.")] = None,
    heads: Annotated[str | None, typer.Option(help="The heads that are shown at first, as 0,3.")] = None,
    token: Annotated[
        str | None, typer.Option(help=f"The token that is selected at first: {HELP} (its last token is selected).")
    ] = None,
    form: Annotated[str, typer.Option(help="auto, qk or attention: what weights are made from in the file.")] = "auto",
    neurons: Annotated[  # noqa: FBT002 - typer makes two flags of it
        bool, typer.Option("--neurons/--no-neurons", help="Whether the file has the neurons, or is smaller.")
    ] = True,
    error: Annotated[float | None, typer.Option(help="How far off a weight may be. Default: by size.")] = None,
    max_mb: Annotated[float, typer.Option(help="The most megabytes to write.")] = 200.0,
) -> None:
    """Write one trace as one self-contained HTML file: it opens from disk, offline, with all views."""
    from rich.console import Console

    from attnscope.offline import document
    from attnscope.offline.file import check_place, write

    check_place(output)
    chosen, on = _numbers(layers, "--layers"), _numbers(heads, "--heads")
    console = Console(stderr=True)
    trace = trace_of(source, text_or_chat(text, chat), pair, target)
    with console.status("Writing the page"):
        made = document(
            trace,
            view=view,
            layer=layer,
            heads=on,
            token=tokens_given(token, trace.tokens_for(next(iter(trace.stacks)))[0], "--token"),
            layers=chosen,
            form=form,
            neurons=neurons,
            error=error,
            max_bytes=round(max_mb * 1e6),
        )
    for warning in trace.warnings:
        typer.echo(warning, err=True)
    say_edits(trace)
    what = "all views" if made.neurons else "no neurons"
    typer.echo(f"{output}: {made.size / 1e6:.1f} MB, {what}, no weight more than {made.error:.0e} off.")
    write(made, output)


def _numbers(given: str | None, option: str) -> list[int] | None:
    """`0-5,9` as numbers; None for none given."""
    if given is None:
        return None
    numbers: list[int] = []
    try:
        for part in given.split(","):
            first, _, last = part.strip().partition("-")
            numbers += range(int(first), int(last or first) + 1)
    except ValueError as error:
        raise typer.BadParameter(f"Numbers and ranges, as 0-5,9; got {given!r}.", param_hint=option) from error
    return numbers
