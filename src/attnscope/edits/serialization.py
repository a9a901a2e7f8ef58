"""Edits as JSON and back. A trace in an edit is written as its id, and a position as a number, string or list (`["the", 2]`)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from attnscope.appearance.edit_words import edits_sentence
from attnscope.edits.edit import REFERENCES, Edit
from attnscope.edits.kinds import KINDS
from attnscope.edits.reference import Find, TraceRef, finder, read
from attnscope.errors import InputError
from attnscope.trace import Trace


def to_json(edits: Iterable[Edit]) -> str:
    """Write edits as a JSON list of objects, each with its `type` and its fields. Raises `InputError` for other values."""
    given: Any = edits
    listed = (
        [given]
        if isinstance(given, Edit) or not hasattr(given, "__iter__") or getattr(given, "ndim", 1) == 0
        else list(given)
    )
    for one in listed:
        if not isinstance(one, Edit):
            raise InputError(f"`to_json` writes edits; got {type(one).__name__}.")
    return json.dumps([edit.as_json() for edit in listed])


def from_json(
    text: str | bytes | Sequence[Mapping[str, Any]],
    traces: Trace | Sequence[Trace] | Mapping[str, Trace] | Find | None = None,
) -> list[Edit]:
    """Read edits from JSON text, or from the list that it stands for (`Trace.provenance["edits"]`).

    `traces` are the traces that edits refer to by id: one, a list, a mapping by id, or a function from id to trace. Raises
    `InputError` for invalid edits, and `MissingError` if a trace isn't among them.
    """
    return [edit_of(one, finder(traces)) for one in _objects(text)]


def unresolved(text: str | Sequence[Mapping[str, Any]]) -> list[Edit]:
    """Like `from_json`, but with a `TraceRef` in place of each trace."""
    return [edit_of(one, cast("Find", TraceRef)) for one in _objects(text)]


def edit_of(written: object, find: Find) -> Edit:
    """The edit that a JSON object describes; `find` returns the trace with an id."""
    if not isinstance(written, Mapping):
        raise InputError(f"An edit must be a JSON object with a `type`; got {type(written).__name__}.")
    fields = dict(cast("Mapping[str, Any]", written))
    named = fields.pop("type", None)
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InputError(f"Unknown type of edit {str(named)[:40]!r:.300}: the types are {', '.join(KINDS)}.")
    known = {one.name: one for one in dataclasses.fields(kind)}
    strange = sorted(str(name)[:40] for name in fields.keys() - known.keys())
    missing = [name for name, one in known.items() if one.default is dataclasses.MISSING and name not in fields]
    if strange or missing:
        problem = f"has no field {strange[0]!r}" if strange else f"needs the field {missing[0]!r}"
        raise InputError(f"{named} {problem}; its fields are {', '.join(known)}.")
    for name in REFERENCES:
        if name in fields:
            fields[name] = read(fields[name], find, f"`{name}` of {named}")
    return kind(**fields)


def sentence_of(written: Sequence[Any]) -> str:
    """The edits of a trace (`Trace.provenance["edits"]`) in a sentence, as on the page. Empty if there are none."""
    return edits_sentence(written)


def _objects(text: object) -> list[object]:
    if isinstance(text, (str, bytes)):
        try:
            text = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The edits are not valid JSON ({error}).") from error
    if not isinstance(text, Sequence):
        raise InputError(f"Edits must be a JSON list of objects; got {type(text).__name__}.")
    return list(cast("Sequence[object]", text))
