"""Checks of what a widget compares and changes: its baseline, its field and its edits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, cast

from attnscope.edits import Edit
from attnscope.edits.edit import REFERENCES
from attnscope.edits.serialization import edit_of
from attnscope.errors import InputError, MissingError
from attnscope.session import Session, StoredTrace
from attnscope.trace import Trace
from attnscope.widget.selection import SelectionError

FieldName = Literal["before", "after", "difference"]
FIELDS = ("before", "after", "difference")

NOT_EDITABLE = (
    "This widget has a trace without its model, so it cannot be edited. Trace the text with `edits`, or show the model: "
    "`attnscope.show(model, edits=[…])`."
)


def baseline_id(value: object, session: Session) -> str | None:
    """The id of a baseline: of a trace, which the session then stores, or of one that the session has."""
    if value is None:
        return None
    if isinstance(value, Trace):
        session.keep(StoredTrace.without_model(value))
        return value.id
    if not isinstance(value, str):
        raise SelectionError(f"`baseline` must be a Trace or the id of one, or None; got {value!r:.80}.")
    try:
        return session.trace(value).id
    except MissingError:
        raise SelectionError(
            f"There is no trace {value[:64]!r:.300} in this widget. Set `baseline` to a Trace, or to the id of one it showed."
        ) from None


def field_name(value: object, baseline: str | None) -> str:
    """One of `FIELDS`; only "after" without a baseline."""
    if value not in FIELDS:
        raise SelectionError(f"There is no field {value!r:.300}: `field` must be 'before', 'after' or 'difference'.")
    if value != "after" and baseline is None:
        raise SelectionError(f"`field` can only be 'after' without a `baseline`; got {value!r}. Set `baseline` first.")
    return str(value)


def edit_list(value: object, session: Session) -> list[dict[str, Any]]:
    """Edits as JSON objects. The session stores the traces that they take values from."""
    if value is None:
        return []
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise SelectionError(f"`edits` must be a list of edits, or of their JSON objects; got {value!r:.80}.")
    return [_edit(one, session).as_json() for one in cast("Iterable[object]", value)]


def _edit(value: object, session: Session) -> Edit:
    if not isinstance(value, Edit):
        try:
            return edit_of(value, session.trace)
        except (InputError, MissingError) as error:
            raise SelectionError(str(error)) from None
    for name in REFERENCES:
        source: object = getattr(value, name, None)
        for one in cast("tuple[object, ...]", source) if isinstance(source, tuple) else (source,):
            if isinstance(one, Trace):
                session.keep(StoredTrace.without_model(one))
    return value
