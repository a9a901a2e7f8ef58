"""`attnscope export`: a trace as one HTML file that opens anywhere, without a server or a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attnscope.cli.chats import Chat, ContinueFinalMessage, text_or_chat
from attnscope.cli.comparison import Baseline, Compare, FieldOption, passes_of
from attnscope.cli.edits import EditOption, EditsFile, print_edits, read_edits
from attnscope.cli.images import ImageFiles
from attnscope.cli.inputs import Pair, Source, Target, Text
from attnscope.cli.numbers import at_least, numbers
from attnscope.cli.positions import HELP, tokens_given


def export(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, such as fox.html.")],
    text: Text = None,
    chat: Chat = None,
    continue_final_message: ContinueFinalMessage = False,  # noqa: FBT002 - typer makes a flag of it
    pair: Pair = None,
    target: Target = None,
    image: ImageFiles = None,
    edit: EditOption = None,
    edits: EditsFile = None,
    baseline: Baseline = None,
    compare: Compare = False,  # noqa: FBT002 - typer makes a flag of it
    field: FieldOption = None,
    layers: Annotated[str | None, typer.Option(help="Layers to include, such as 0-5,9. Default: all.")] = None,
    view: Annotated[str | None, typer.Option(help="model, head or neuron: open with this view alone.")] = None,
    layer: Annotated[int | None, typer.Option(help="Layer to select at first.")] = None,
    heads: Annotated[str | None, typer.Option(help="Heads to select at first, such as 0,3.")] = None,
    token: Annotated[
        str | None, typer.Option(help=f"Query token to select at first: {HELP}, of which the last token is selected.")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            help="What the file stores: qk (queries and keys), attention (weights only), or auto (queries and keys; with "
            "--no-neurons, the smaller of the two)."
        ),
    ] = "auto",
    neurons: Annotated[  # noqa: FBT002 - typer makes two flags of it
        bool,
        typer.Option(
            "--neurons/--no-neurons",
            help="Include queries and keys for the neuron view. Without them, the file can be smaller.",
        ),
    ] = True,
    error: Annotated[
        float | None,
        typer.Option(
            help="Largest rounding error of an attention weight. Default: 5e-5 to 3e-3, depending on the size."
        ),
    ] = None,
    max_mb: Annotated[float, typer.Option(help="Largest file to write, in megabytes.")] = 200.0,
) -> None:
    """Export a trace as one self-contained HTML file that opens offline and has all views."""
    from rich.console import Console

    from attnscope.files import check_target
    from attnscope.offline import document
    from attnscope.offline.file import write

    check_target(output, "the page")
    chosen, on = numbers("--layers", layers), numbers("--heads", heads)
    max_bytes = round(at_least("--max-mb", max_mb, 0.001) * 1e6)
    console = Console(stderr=True)
    passes = passes_of(
        source,
        text_or_chat(text, chat),
        pair,
        target,
        image,
        read_edits(edit or (), edits),
        continue_final_message=continue_final_message,
        baseline=baseline,
        compare=compare,
    )
    trace, before = passes.current, passes.baseline
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
            baseline=before,
            field=field,
            address=passes.address or None,
            model=None if before is None else passes.model,
            max_bytes=max_bytes,
        )
    for warning in trace.warnings:
        typer.echo(warning, err=True)
    print_edits(trace)
    what = "all views" if made.neurons else "no neurons"
    if before is not None:
        what = f"{what}, compared with its baseline"
    typer.echo(f"{output}: {made.size / 1e6:.1f} MB, {what}, weights rounded to ±{made.error:.0e}.")
    write(made, output)
