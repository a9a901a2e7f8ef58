"""The edits of a request, read and checked as far as that goes without the model (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attnscope.edits import Edit
from attnscope.edits.reference import Find
from attnscope.edits.serialization import edit_of
from attnscope.errors import InputError
from attnscope.session.limits import Limits


def edits_of(body: Mapping[str, Any], find: Find, limits: Limits) -> list[Edit]:
    """The edits of a request; none where it has none. `find` gives the trace of an id, for edits that refer to one.

    Raises `InputError` for what is no edit, `TooLongError` for more than the limits allow, `MissingError` for a trace that is
    gone.
    """
    given: object = body.get("edits")
    if given is None:
        return []
    if not isinstance(given, list):
        raise InputError(f"`edits` is a list of edits, each a JSON object; got a {type(given).__name__}.")
    found = cast("list[object]", given)
    limits.check_edits(len(found))
    return [edit_of(one, find) for one in found]
