"""What a workspace holds besides traces and edits (its trail, notes and state), checked, and with limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from attnscope.errors import InputError, TooLongError
from attnscope.validation import is_text, require_characters

MOST_TRACES = 256
MOST_EDITS = 10_000
LONGEST_TRAIL = 10_000
LONGEST_TITLE = 1000
LONGEST_ADDRESS = 50_000
LONGEST_NOTES = 1_000_000
LONGEST_STATE = 2**20
"""Characters of the state as JSON."""
_DEEPEST_STATE = 32


def trail_of(given: object) -> list[dict[str, str]]:
    """A trail: a list of objects with a `title` and an `address`. Raises `InputError`."""
    if not isinstance(given, (list, tuple)):
        raise InputError(f"`trail` must be a list of entries with a `title` and an `address`; got {given!r:.80}.")
    entries = cast("list[object]", given)
    if len(entries) > LONGEST_TRAIL:
        raise TooLongError(f"The trail has {len(entries):,} entries, but a workspace holds at most {LONGEST_TRAIL:,}.")
    return [_entry(one, index) for index, one in enumerate(entries)]


def _entry(given: object, index: int) -> dict[str, str]:
    fields = cast("Mapping[object, object]", given) if isinstance(given, Mapping) else {}
    title, address = fields.get("title"), fields.get("address")
    if not isinstance(title, str) or not isinstance(address, str) or len(fields) != 2:
        raise InputError(f"`trail[{index}]` must have a `title` and an `address`, both strings, and nothing else.")
    for name, value, longest in (("title", title, LONGEST_TITLE), ("address", address, LONGEST_ADDRESS)):
        require_characters(value, f"The {name} of `trail[{index}]`")
        if len(value) > longest:
            raise TooLongError(
                f"The {name} of `trail[{index}]` has {len(value):,} characters, but it may have at most {longest:,}."
            )
    return {"title": title, "address": address}


def notes_of(given: object) -> str:
    """The notes: a string. Raises `InputError`."""
    if not isinstance(given, str):
        raise InputError(f"`notes` must be a string; got {type(given).__name__}.")
    require_characters(given, "`notes`")
    if len(given) > LONGEST_NOTES:
        raise TooLongError(f"`notes` has {len(given):,} characters, but it may have at most {LONGEST_NOTES:,}.")
    return given


def state_of(given: object) -> dict[str, Any]:
    """A copy of the state: a JSON object. Raises `InputError` for anything that JSON cannot hold, or that is too large."""
    if not isinstance(given, Mapping):
        raise InputError(f"`state` must be a JSON object (a dict); got {type(given).__name__}.")
    try:
        text = json.dumps(dict(cast("Mapping[str, Any]", given)), allow_nan=False, ensure_ascii=False)
        copy: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"`state` cannot be written as JSON ({str(error)[:120]}).") from error
    if len(text) > LONGEST_STATE:
        raise TooLongError(f"`state` has {len(text):,} characters as JSON, but it may have at most {LONGEST_STATE:,}.")
    if not is_text(text):
        raise InputError("`state` contains half a character (a lone surrogate). Remove it.")
    if _depth(copy) > _DEEPEST_STATE:
        raise InputError(f"`state` is nested more than {_DEEPEST_STATE} levels deep.")
    return copy


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level and depth <= _DEEPEST_STATE:
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below += cast("dict[str, object]", one).values()
            elif isinstance(one, list):
                below += cast("list[object]", one)
        level, depth = below, depth + 1
    return depth
