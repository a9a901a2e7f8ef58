"""The trace that a command works on: a saved one, or a new one from a model and a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnscope.cli.chats import NEEDS_CHAT, TextOrChat
from attnscope.cli.images import image_paths
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.session.protocols import ModelLike
    from attnscope.trace import Trace

Source = Annotated[
    str,
    typer.Argument(
        help="Saved trace or workspace (a .trace or .workspace file), or a model to run on --text or --chat: a hub id, local "
        "folder, .gguf file, or a packaged model (smollm2, minilm, rxnmapper).",
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


def trace_of(
    source: str,
    text: TextOrChat | None,
    pair: str | None,
    target: str | None = None,
    images: Sequence[Path] | None = None,
    *,
    continue_final_message: bool = False,
) -> Trace:
    """Open a saved trace (of a workspace, the current one), or trace a text, a chat or images.

    Raises `InputError` for a model without an input, and for a saved trace with one.
    """
    from rich.console import Console

    from attnscope.cli.sources import model_entry, saved_trace

    saved = saved_trace(source)
    if saved is not None:
        check_no_input(source, text, pair, target, images, continue_final_message=continue_final_message)
        return saved
    image = image_paths(images)
    require_input(source, text, image)
    entry = model_entry(source)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        return traced(entry.load(), text, pair, target, image=image, continue_final_message=continue_final_message)


def check_no_input(
    source: str,
    text: TextOrChat | None,
    pair: str | None,
    target: str | None,
    images: Sequence[Path] | None,
    *,
    continue_final_message: bool,
) -> None:
    """Raise `InputError` if an input is passed with a saved trace."""
    from attnscope.trace.tensor_file import kind_of

    if images or continue_final_message or any(one is not None for one in (text, pair, target)):
        raise InputError(
            f"{source!r} is a saved {kind_of(source)}, which already has its input. Drop --text, --chat, "
            "--continue-final-message, --pair, --target and --image."
        )


def require_input(model: str, text: TextOrChat | None, image: object) -> None:
    """Raise `InputError` if there is nothing to run a model on."""
    if text is None and image is None:
        raise InputError(
            f"Pass a text to run {model} on: --text 'The quick, brown fox', or --chat FILE. A model that reads images also "
            "takes --image FILE."
        )


def traced(
    model: ModelLike,
    text: TextOrChat | None,
    pair: str | None,
    target: str | None,
    edits: Sequence[Edit] = (),
    *,
    image: Any = None,
    continue_final_message: bool = False,
) -> Trace:
    """Run one forward pass over a text, a chat or images, with edits."""
    if pair is not None and not isinstance(text, str):
        raise InputError("A second sentence (--pair) needs --text; it cannot be combined with --chat.")
    if continue_final_message and (text is None or isinstance(text, str)):
        raise InputError(NEEDS_CHAT)
    inputs = model.encode(text, pair, target=target, image=image, continue_final_message=continue_final_message)
    return model.trace(inputs, edits=edits)
