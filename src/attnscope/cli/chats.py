"""`--chat FILE`: the messages of a chat instead of a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from attnscope.errors import InputError

Chat = Annotated[
    Path | None,
    typer.Option(help='A JSON file with messages instead of a text: [{"role": "user", "content": "…"}, …].'),
]
Given = str | Sequence[Mapping[str, Any]]


def text_or_chat(text: str | None, chat: Path | None) -> Given | None:
    """The text, or the messages in the file. Raises `InputError` for both, and for a file that holds no messages."""
    if chat is None:
        return text
    if text is not None:
        raise InputError("Pass either --text or --chat, not both.")
    try:
        messages: object = json.loads(chat.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{str(chat)!r} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{str(chat)!r} is no JSON ({error}).") from error
    listed = cast("list[object]", messages) if isinstance(messages, list) else []
    if not listed or not all(isinstance(one, Mapping) for one in listed):
        raise InputError(
            f"{str(chat)!r} holds no list of messages; it looks like [{{'role': 'user', 'content': '…'}}]."
        )
    return cast("list[Mapping[str, Any]]", listed)
