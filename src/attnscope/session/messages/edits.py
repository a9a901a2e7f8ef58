"""Read the edits of a request, and check what can be checked without the model (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attnscope.edits import Edit
from attnscope.edits.reference import Find
from attnscope.edits.serialization import edit_of
from attnscope.errors import InputError
from attnscope.session.limits import Limits


def edits_of(body: Mapping[str, Any], find: Find, limits: Limits) -> list[Edit]:
    """The edits of a request, or an empty list. `find` returns the trace of an id, for edits that refer to one.

    Raises:
        InputError: An entry is not a valid edit.
        TooLongError: There are more edits than the limits allow.
        MissingError: An edit refers to a trace that the session does not have.
    """
    value: object = body.get("edits")
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"`edits` must be a list of JSON objects; got a {type(value).__name__}.")
    items = cast("list[object]", value)
    limits.check_edits(len(items))
    return [edit_of(item, find) for item in items]
