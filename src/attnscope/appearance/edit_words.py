"""Descriptions of edits, from their JSON objects. The front end words them alike in `frontend/src/figures/edits.ts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from attnscope.appearance.numerals import counted, significant
from attnscope.appearance.shared import shared

_WORDS: dict[str, Any] = shared()["edits"]
_LONG = 80
"""Longest value that is quoted, in characters. Edits may come from a file, so a value can have any length."""


def edit_words(edit: object) -> str:
    """Describe one edit as a phrase, such as `head 5.3 ablated`."""
    if not isinstance(edit, Mapping):
        return str(edit)[:_LONG]
    fields = _WORDS["defaults"] | {
        name: value for name, value in cast("Mapping[str, Any]", edit).items() if value is not None
    }
    template = _WORDS["kinds"].get(str(fields.get("type")), _WORDS["unknown"])
    if fields.get("type") == "ScaleHead" and fields.get("factor") == 0:
        template = _WORDS["off"]
    positioned = _WORDS["positioned"]
    if fields.get("type") in positioned["kinds"] and "position" in fields:
        template += positioned["at"] + (positioned["there"] if "source_position" in fields else "")
    worded = {name: _FIELDS.get(name, _plain)(value) for name, value in fields.items()}
    every = {"position": _WORDS["token"]["every"]}
    return template.format_map(_Worded(every | worded | {"place": _place_of(fields)}))


def edits_sentence(edits: Sequence[object]) -> str:
    """Count the edits and describe the first few: `Modified by 1 edit: head 5.3 ablated.` Empty if there are none."""
    if not edits:
        return ""
    sentence, listed = _WORDS["sentences"]["text"], _WORDS["list"]
    described = listed["between"].join(edit_words(one) for one in edits[: sentence["most"]])
    further = len(edits) - sentence["most"]
    more = listed["more"].format(count=f"{further:,}") if further > 0 else ""
    return sentence["template"].format(count=counted(len(edits), "edit"), edits=f"{described}{more}")


def place_words(layer: object, head: object = None, stack: object = None) -> str:
    """Name a head or a layer, with its stack if there is one: `head 5.3`, `layer 2`, `head 0.1 of the cross-attention`."""
    words = _WORDS["place"]
    place = words["layer" if head is None else "head"].format(layer=_plain(layer), head=_plain(head))
    if stack is None:
        return place
    return words["in_stack"].format(place=place, stack=_WORDS["stacks"].get(str(stack), _plain(stack)))


def _place_of(fields: Mapping[str, Any]) -> str:
    return place_words(fields["layer"], fields.get("head"), fields.get("stack"))


class _Worded(dict[str, str]):
    """The fields of an edit in words. A missing field appears as its name in braces."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def _plain(value: object) -> str:
    return str(value)[:_LONG]


def _number(value: object) -> str:
    return significant(value) if isinstance(value, (int, float)) else _plain(value)


def _token(position: object) -> str:
    """`token 4`, `tokens 4–6`; a word as it is written: `“nurse”`, `“the” (2)`."""
    words = _WORDS["token"]
    if isinstance(position, str):
        return words["word"].format(word=_plain(position))
    if not isinstance(position, (list, tuple)):
        return words["number"].format(index=_plain(position))
    parts = cast("Sequence[object]", position)
    if len(parts) == 2 and isinstance(parts[0], str):
        return words["occurrence"].format(word=_plain(parts[0]), number=_plain(parts[1]))
    return words["several"].format(indices=", ".join(map(_plain, parts[: words["most_listed"]])))


def _dims(value: object) -> str:
    dims = cast("list[object]", value) if isinstance(value, list) else [value]
    words = _WORDS["dims"]
    if len(dims) > words["most_listed"]:
        return words["many"].format(count=len(dims))
    return words["one" if len(dims) == 1 else "several"].format(listed=", ".join(map(_plain, dims)))


def _reference(value: object) -> str:
    words = _WORDS["reference"]
    if isinstance(value, list):
        traces = cast("list[object]", value)
        return _reference(traces[0]) if len(traces) == 1 else words["traces"].format(count=len(traces))
    if isinstance(value, Mapping) and "trace" in value:
        return words["trace"].format(id=str(cast("Mapping[str, object]", value)["trace"])[: words["id_length"]])
    return words["numbers"]


_FIELDS: dict[str, Callable[[object], str]] = {
    **dict.fromkeys(("factor", "weight"), _number),
    **dict.fromkeys(("query", "key", "position", "source_position"), _token),
    **dict.fromkeys(("reference", "source"), _reference),
    "dims": _dims,
}
