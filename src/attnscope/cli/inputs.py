"""The trace that a command is about: a saved one, or that of a text through a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import Given
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.session.protocols import ModelLike
    from attnscope.trace import Trace

Source = Annotated[
    str,
    typer.Argument(
        help="A saved trace (a .trace file), or with --text a hub id, local folder, .gguf file, or an embedded model: "
        "smollm2, minilm, rxnmapper.",
    ),
]
Text = Annotated[str | None, typer.Option(help="The text to run the model on.")]
Pair = Annotated[str | None, typer.Option(help="A second sentence.")]
Target = Annotated[
    str | None,
    typer.Option(help="What the decoder of an encoder-decoder model reads. Default: the model's own greedy output."),
]


def trace_of(source: str, text: Given | None, pair: str | None, target: str | None = None) -> Trace:
    """The trace of a text or a chat. Raises `InputError` for a model without a text, or a saved trace with one."""
    from rich.console import Console

    from attnscope.cli.sources import model_entry, saved_trace

    held = saved_trace(source)
    if held is not None:
        if any(one is not None for one in (text, pair, target)):
            raise InputError(
                f"{source!r} is a saved trace and has its text; leave out --text, --chat, --pair and --target."
            )
        return held.trace
    if text is None:
        raise InputError(f"Pass the text to run {source} on: --text 'The quick, brown fox jumps over the lazy'.")
    entry = model_entry(source)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        return traced(entry.load(), text, pair, target)


def traced(model: ModelLike, given: Given, pair: str | None, target: str | None, edits: Sequence[Edit] = ()) -> Trace:
    """One pass over a text or a chat, edited."""
    if isinstance(given, str):
        return model.trace(given, pair, target=target, edits=edits)
    if pair is not None:
        raise InputError("A second sentence (--pair) goes with a text, not with a chat.")
    return model.trace(given, target=target, edits=edits)
