"""Read the fields of a request and check their types. Wrong fields raise `InputError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.validation import is_text

Turn = dict[str, str]
"""A chat message: `role` and `content`."""


def require_characters_in(body: Mapping[str, Any]) -> None:
    """Raise `InputError` if a string anywhere in a request contains half a character (a lone surrogate)."""
    for field, value in body.items():
        waiting: list[object] = [field, value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                if not is_text(one):
                    name = f"`{field[:40]}`" if is_text(field) else "The name of a field"
                    raise InputError(f"{name} contains half a character (a lone surrogate). Remove it.")
            elif isinstance(one, dict):
                waiting += [*cast("dict[object, object]", one).keys(), *cast("dict[object, object]", one).values()]
            elif isinstance(one, list):
                waiting += cast("list[object]", one)


def text_of(body: Mapping[str, Any], field: str) -> str:
    """A required string."""
    value = body.get(field)
    if not isinstance(value, str):
        raise InputError(f"`{field}` must be a string; got {_kind(value)}.")
    return value


def optional_text_of(body: Mapping[str, Any], field: str) -> str | None:
    """A string, or None if it is missing or null."""
    return None if body.get(field) is None else text_of(body, field)


def fields_of(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    """An object of further fields; empty if it is missing or null."""
    value: object = body.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"`{field}` must be an object; got {_kind(value)}.")
    return cast("dict[str, Any]", value)


def prompt_of(body: Mapping[str, Any], field: str, messages: Sequence[Turn] | None, image: object) -> str:
    """The text of a prompt, or the joined content of a chat. With an image, there need not be a text."""
    if messages is not None:
        return chat_text(messages)
    return text_of(body, field) if image is None else optional_text_of(body, field) or ""


def integer_of(body: Mapping[str, Any], field: str) -> int | None:
    """An integer, or None if it is missing or null."""
    value: object = body.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(f"`{field}` must be an integer; got {_kind(value)}.")
    return value


def number_of(body: Mapping[str, Any], field: str) -> float | None:
    """A number, or None if it is missing or null."""
    value: object = body.get(field)
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
        raise InputError(f"`{field}` must be a number; got {_kind(value)}.")
    return value


def texts_of(body: Mapping[str, Any], field: str, most: int = 16) -> list[str]:
    """A list of at most `most` strings; empty if it is missing or null."""
    value: object = body.get(field)
    if value is None:
        return []
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    if len(items) > most or not all(isinstance(item, str) for item in items):
        raise InputError(f"`{field}` must be a list of at most {most} strings.")
    return cast("list[str]", items)


def integers_of(body: Mapping[str, Any], field: str, most: int = 100_000) -> list[int] | None:
    """A list of 1 to `most` integers, or None if it is missing or null."""
    value: object = body.get(field)
    if value is None:
        return None
    items = cast("list[object]", value) if isinstance(value, list) else []
    if not items or len(items) > most:
        raise InputError(f"`{field}` must be a list of 1 to {most:,} integers; got {_kind(value)}.")
    if None in items:
        raise InputError(f"`{field}` must be a list of integers; one of them is null.")
    return [number for item in items if (number := integer_of({field: item}, field)) is not None]


def messages_of(body: Mapping[str, Any]) -> list[Turn] | None:
    """The messages of a chat, or None if they are missing or null; the request then has a text."""
    value: object = body.get("messages")
    if value is None:
        return None
    if body.get("text") is not None or body.get("pair") is not None:
        raise InputError("Pass either `messages` or `text`, not both.")
    turns = cast("list[object]", value) if isinstance(value, list) else []
    if not turns:
        raise InputError("`messages` must be a list of at least one message, each with a `role` and a `content`.")
    return [_turn(turn) for turn in turns]


def continues_message(body: Mapping[str, Any]) -> bool:
    """Whether a chat ends within its last message (`continue_final_message`)."""
    value: object = body.get("continue_final_message")
    if value is not None and not isinstance(value, bool):
        raise InputError(f"`continue_final_message` must be true or false; got {_kind(value)}.")
    if value and body.get("messages") is None:
        raise InputError("`continue_final_message` needs `messages`.")
    return value is True


def _turn(value: object) -> Turn:
    turn: Mapping[str, Any] = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
    return {"role": text_of(turn, "role"), "content": text_of(turn, "content")}


def chat_text(messages: Sequence[Turn]) -> str:
    """The content of all chat messages, one per line."""
    return "\n".join(turn["content"] for turn in messages)


def answer_of(body: Mapping[str, Any], field: str) -> str | int | list[int] | None:
    """An answer, as its text, its id or several ids; None if it is missing or null."""
    value: object = body.get(field)
    if isinstance(value, list):
        return integers_of(body, field, most=64)
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InputError(f"`{field}` must be a text, the id of a token, or a list of ids; got {_kind(value)}.")


def index_of(body: Mapping[str, Any], field: str, size: int, what: str) -> int:
    """An index from 0 to `size` - 1. `what` is the word for the error message."""
    return _index(body.get(field), field, size, what)


def indices_of(body: Mapping[str, Any], field: str, size: int, what: str) -> list[int]:
    """A list of 1 to `size` indices from 0 to `size` - 1."""
    value: object = body.get(field)
    if not isinstance(value, list) or not value:
        raise InputError(f"`{field}` must be a list of at least one {what} index; got {_kind(cast('object', value))}.")
    items = cast("list[object]", value)
    if len(items) > size:
        raise InputError(f"`{field}` has {len(items)} entries, but each {what} can be listed once; there are {size}.")
    return [_index(item, field, size, what) for item in items]


def _index(value: object, field: str, size: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"`{field}` must be a {what} index (an integer); got {_kind(value)}.")
    if not 0 <= value < size:
        raise InputError(f"{what.capitalize()} {_short(value)} does not exist: valid indices are 0 to {size - 1}.")
    return value


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**12 else "with that index"


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
