"""The `--chat FILE` option: the messages of a chat instead of a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from attnscope.cli.texts import require_words
from attnscope.errors import InputError

Chat = Annotated[
    Path | None,
    typer.Option(help='JSON file with chat messages, instead of --text: [{"role": "user", "content": "…"}, …].'),
]
ContinueFinalMessage = Annotated[
    bool,
    typer.Option(
        "--continue-final-message", help="With --chat: end within the last message, for the model to continue it."
    ),
]
NEEDS_CHAT = "--continue-final-message needs --chat, whose last message is then continued."
TextOrChat = str | Sequence[Mapping[str, Any]]


def text_or_chat(text: str | None, chat: Path | None) -> TextOrChat | None:
    """Return the text, or the messages in the file.

    Raises `InputError` if both are passed, if the text is blank, or if the file cannot be read or contains no list of messages.
    """
    if chat is None:
        return None if text is None else require_words(text, "--text")
    if text is not None:
        raise InputError("Pass either --text or --chat, not both.")
    try:
        messages: object = json.loads(chat.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {str(chat)!r:.300}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"{str(chat)!r:.300} is not valid JSON ({reason}).") from error
    items = cast("list[object]", messages) if isinstance(messages, list) else []
    if not items or not all(isinstance(item, Mapping) for item in items):
        raise InputError(
            f'{str(chat)!r:.300} must contain a list of messages, such as [{{"role": "user", "content": "…"}}].'
        )
    return cast("list[Mapping[str, Any]]", items)
