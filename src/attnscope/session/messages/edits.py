"""The edits of a request, and the `edits` request: the same edits in other forms (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from attnscope.edits import Edit
from attnscope.edits.reference import Find
from attnscope.edits.serialization import edit_of
from attnscope.errors import InputError
from attnscope.session.limits import Limits
from attnscope.session.trace_store import StoredTrace


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


_NO_MODEL = "This trace has no model whose weights could be changed. Run the text again."


class EditFormFields(TypedDict):
    """An edit in other forms: as Python, and why it cannot be written into the weights (null if it can)."""

    python: str
    bake: str | None


class EditsFields(TypedDict):
    """The fields of an `edits` response."""

    edits: list[EditFormFields]


def edits_fields(edits: list[Edit], stored: StoredTrace) -> EditsFields:
    """Edits in other forms, in the same order. Raises `InputError` for an edit that does not fit the model or the trace."""
    model = stored.model
    problems = [_NO_MODEL] * len(edits) if model is None else model.bake_problems(edits, stored.trace)
    return {"edits": [{"python": repr(one), "bake": why} for one, why in zip(edits, problems, strict=True)]}
