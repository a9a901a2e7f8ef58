"""Reading the fields of a request: each of its type, or one sentence about what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from attnscope.errors import InputError

Turn = dict[str, str]
"""A message of a chat: `role` and `content`."""


def text_of(body: Mapping[str, Any], field: str) -> str:
    """A string that must be there."""
    value = body.get(field)
    if not isinstance(value, str):
        raise InputError(f"The request needs the string `{field}`; got {_kind(value)}.")
    return value


def optional_text_of(body: Mapping[str, Any], field: str) -> str | None:
    """A string, or None where it is absent or null."""
    return None if body.get(field) is None else text_of(body, field)


def whole_of(body: Mapping[str, Any], field: str) -> int | None:
    """A whole number, or None where it is absent or null."""
    value: object = body.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(f"`{field}` wants a whole number; got {_kind(value)}.")
    return value


def number_of(body: Mapping[str, Any], field: str) -> float | None:
    """A number, or None where it is absent or null."""
    value: object = body.get(field)
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
        raise InputError(f"`{field}` wants a number; got {_kind(value)}.")
    return value


def texts_of(body: Mapping[str, Any], field: str, most: int = 16) -> list[str]:
    """A list of at most so many strings; none where it is absent or null."""
    value: object = body.get(field)
    if value is None:
        return []
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    if len(items) > most or not all(isinstance(item, str) for item in items):
        raise InputError(f"`{field}` wants a list of at most {most} strings.")
    return cast("list[str]", items)


def wholes_of(body: Mapping[str, Any], field: str, most: int = 100_000) -> list[int] | None:
    """A list of at most so many whole numbers, or None where it is absent or null."""
    value: object = body.get(field)
    if value is None:
        return None
    items = cast("list[object]", value) if isinstance(value, list) else []
    if not items or len(items) > most:
        raise InputError(f"`{field}` is a list of at least one and at most {most:,} whole numbers; got {_kind(value)}.")
    if None in items:
        raise InputError(f"`{field}` wants whole numbers; got nothing in the place of one.")
    return [whole for item in items if (whole := whole_of({field: item}, field)) is not None]


def messages_of(body: Mapping[str, Any]) -> list[Turn] | None:
    """The messages of a chat, or None where they are absent or null; then the request is about a text."""
    given: object = body.get("messages")
    if given is None:
        return None
    if body.get("text") is not None or body.get("pair") is not None:
        raise InputError("The request takes `messages` or a `text`, not both.")
    turns = cast("list[object]", given) if isinstance(given, list) else []
    if not turns:
        raise InputError("`messages` is a list of at least one message, each with a `role` and a `content`.")
    return [_turn(turn) for turn in turns]


def _turn(given: object) -> Turn:
    turn: Mapping[str, Any] = cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}
    return {"role": text_of(turn, "role"), "content": text_of(turn, "content")}


def said_in(messages: Sequence[Turn]) -> str:
    """What the messages of a chat say together."""
    return "\n".join(turn["content"] for turn in messages)


def token_of(body: Mapping[str, Any], field: str) -> str | int | None:
    """One token, as its text or its id; None where it is absent or null."""
    value: object = body.get(field)
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InputError(f"`{field}` is one token: its text, or its id; got {_kind(value)}.")


def index_of(body: Mapping[str, Any], field: str, size: int, what: str) -> int:
    """An index below `size`, of a thing called `what`."""
    return _index(body.get(field), field, size, what)


def indices_of(body: Mapping[str, Any], field: str, size: int, what: str) -> list[int]:
    """A list of at least one and at most `size` indices below `size`."""
    value: object = body.get(field)
    if not isinstance(value, list) or not value:
        raise InputError(
            f"The request needs `{field}`, a list of at least one {what}; got {_kind(cast('object', value))}."
        )
    items = cast("list[object]", value)
    if len(items) > size:
        raise InputError(f"`{field}` names {len(items)} times a {what}; there are {size}.")
    return [_index(item, field, size, what) for item in items]


def _index(value: object, field: str, size: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"`{field}` wants the whole number of a {what}; got {_kind(value)}.")
    if not 0 <= value < size:
        raise InputError(f"There is no {what} {_short(value)}: they go from 0 to {size - 1}.")
    return value


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**12 else "of that number"


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
