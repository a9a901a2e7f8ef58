"""Edits as JSON and back. A trace inside an edit is written as its id."""

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
    """The edits as a JSON list of objects, each with its `type` and its fields. Raises `InputError` for what is no edit."""
    given: Any = edits
    listed = [given] if isinstance(given, Edit) or not hasattr(given, "__iter__") else list(given)
    for one in listed:
        if not isinstance(one, Edit):
            raise InputError(f"`to_json` writes edits; got {type(one).__name__}.")
    return json.dumps([edit.as_json() for edit in listed])


def from_json(
    text: str | bytes | Sequence[Mapping[str, Any]],
    traces: Trace | Sequence[Trace] | Mapping[str, Trace] | Find | None = None,
) -> list[Edit]:
    """The edits of a JSON text, or of the list that it stands for (`Trace.provenance["edits"]`).

    `traces` are those that edits refer to by id: one, a list, a mapping by id, or a function from an id. Raises `InputError` for
    what is no edit, `MissingError` for a trace that is not among them.
    """
    return [edit_of(one, finder(traces)) for one in _objects(text)]


def unresolved(text: str | Sequence[Mapping[str, Any]]) -> list[Edit]:
    """Like `from_json`, with a `TraceRef` in the place of every trace."""
    return [edit_of(one, cast("Find", TraceRef)) for one in _objects(text)]


def edit_of(written: object, find: Find) -> Edit:
    """The edit of one JSON object; `find` gives the trace of an id."""
    if not isinstance(written, Mapping):
        raise InputError(f"An edit is a JSON object with a `type`; got {type(written).__name__}.")
    fields = dict(cast("Mapping[str, Any]", written))
    named = fields.pop("type", None)
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InputError(f"There is no edit of the type {str(named)[:40]!r}; the types are {', '.join(KINDS)}.")
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
    """What a pass was changed by (`Trace.provenance["edits"]`), for a person and in the page's words. Empty for no edits."""
    return edits_sentence(written)


def _objects(text: object) -> list[object]:
    if isinstance(text, (str, bytes)):
        try:
            text = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The edits are no JSON ({error}).") from error
    if not isinstance(text, Sequence):
        raise InputError(f"Edits are a JSON list of objects; got {type(text).__name__}.")
    return list(cast("Sequence[object]", text))
