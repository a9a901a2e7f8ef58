"""The trace that a command works on: a saved one, or a new one from a model and a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import TextOrChat
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.session.protocols import ModelLike
    from attnscope.trace import Trace

Source = Annotated[
    str,
    typer.Argument(
        help="Saved trace (a .trace file), or a model to run on --text or --chat: a hub id, local folder, .gguf file, or a "
        "packaged model (smollm2, minilm, rxnmapper).",
    ),
]
Text = Annotated[str | None, typer.Option(help="Text to run the model on.")]
Pair = Annotated[str | None, typer.Option(help="Second sentence.")]
Target = Annotated[
    str | None,
    typer.Option(
        help="Target text: the decoder input of an encoder-decoder model. Default: the model's own greedy output."
    ),
]


def trace_of(source: str, text: TextOrChat | None, pair: str | None, target: str | None = None) -> Trace:
    """Open a saved trace, or trace a text or chat.

    Raises `InputError` for a model without a text, and for a saved trace with one.
    """
    from rich.console import Console

    from attnscope.cli.sources import model_entry, saved_trace

    stored = saved_trace(source)
    if stored is not None:
        if any(one is not None for one in (text, pair, target)):
            raise InputError(
                f"{source!r:.300} is a saved trace, which already has its text. Drop --text, --chat, --pair and --target."
            )
        return stored.trace
    if text is None:
        raise InputError(f"Pass a text to run {source} on: --text 'The quick, brown fox', or --chat FILE.")
    entry = model_entry(source)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        return traced(entry.load(), text, pair, target)


def traced(
    model: ModelLike, text: TextOrChat, pair: str | None, target: str | None, edits: Sequence[Edit] = ()
) -> Trace:
    """Run one forward pass over a text or a chat, with edits."""
    if isinstance(text, str):
        return model.trace(text, pair, target=target, edits=edits)
    if pair is not None:
        raise InputError("A second sentence (--pair) needs --text; it cannot be combined with --chat.")
    return model.trace(text, target=target, edits=edits)
