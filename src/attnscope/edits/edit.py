"""What all edits share: a place in the model, a JSON form, and equality by content."""

from __future__ import annotations

import json
import math
import operator
from abc import ABC
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from attnscope.appearance.edit_words import place_words
from attnscope.edits import reference
from attnscope.errors import InputError
from attnscope.trace.positions import indices_of, occurrence_of

REFERENCES = ("reference", "source")
"""Fields that hold values from other passes."""

EditPosition = int | str | tuple[str, int] | tuple[int, ...]
"""A position as an edit keeps it: an index, a word, an occurrence of a word, or a span of indices (ascending, at least two)."""


@dataclass(frozen=True, eq=False, repr=False)
class Edit(ABC):
    """An intervention in the computation of one layer.

    Two edits are equal if all their fields are; a trace in a field counts by its id. After `from attnscope.edits import *`, the
    `repr` of an edit evaluates to an equal edit.
    """

    layer: int
    stack: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "Edit"
    """The `type` of the edit in JSON: the name of its class."""

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__

    def __post_init__(self) -> None:
        self._whole("layer")
        if hasattr(self, "head"):
            self._whole("head")
        if self.stack is not None and not isinstance(self.stack, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"`stack` of {self.kind} must be the name of a stack, or None; got {self.stack!r:.80}.")

    @property
    def place(self) -> str:
        """The edited head ("head 5.3") or layer in words, with its stack if the edit names one."""
        return place_words(self.layer, getattr(self, "head", None), self.stack)

    def as_json(self) -> dict[str, Any]:
        """The edit as a JSON object: its `type` and its fields, without those that are None by default. A trace is its id."""
        return {"type": self.kind} | {name: _written(name, value) for name, value in self._fields()}

    def __repr__(self) -> str:
        parts = (
            f"{name}={reference.shown(value) if name in REFERENCES else repr(value)}" for name, value in self._fields()
        )
        return f"{self.kind}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return self._said == other._said if isinstance(other, Edit) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._said)

    @property
    def _said(self) -> str:
        return json.dumps(self.as_json(), sort_keys=True)

    def _fields(self) -> list[tuple[str, Any]]:
        named = [(one, getattr(self, one.name)) for one in fields(self)]
        return [(one.name, value) for one, value in named if one.default is not None or value is not None]

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _whole(self, *names: str) -> None:
        """Turn these fields into plain ints from 0. Raises `InputError` for anything else."""
        for name in names:
            self._set(name, whole(getattr(self, name), f"`{name}` of {self.kind}"))

    def _position(self, *names: str) -> None:
        """Turn these fields into an `EditPosition`. Raises `InputError` for anything else."""
        for name in names:
            self._set(name, position_of(getattr(self, name), f"`{name}` of {self.kind}"))

    def _number(self, name: str) -> float:
        """Turn this field into a plain finite float. Raises `InputError` for anything else."""
        value = getattr(self, name)
        try:
            number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"`{name}` of {self.kind} must be a finite number; got {value!r:.80}.")
        self._set(name, number)
        return number

    def _one_of(self, name: str, *allowed: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in allowed:
            raise InputError(f"`{name}` of {self.kind} must be one of {', '.join(allowed)}; got {value!r:.80}.")


def whole(value: object, what: str) -> int:
    """`value` as a plain int from 0; `what` names it in the error."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"{what} must be an integer from 0; got {value!r:.80}.")
    return number


def position_of(value: object, what: str) -> EditPosition:
    """`value` as an edit keeps it; `what` names it in the error. Words are looked up later, when there is a text."""
    if isinstance(value, str) and value:
        return value
    numbered = occurrence_of(value)
    if numbered is not None and numbered[0] and numbered[1] >= 1:
        return numbered
    indices = indices_of(value, _end(value) if isinstance(value, slice) else None)
    if not indices or min(indices) < 0:
        raise InputError(
            f'{what} must be an index from 0, a word of the text, a word with the number of its occurrence such as ("the", 2), '
            f"or a span of indices; got {value!r:.80}."
        )
    span = sorted(set(indices))
    return tuple(span) if len(span) > 1 else span[0]


def _end(span: slice) -> int | None:
    """Where a slice ends that needs no text to be known: with plain bounds and a step forwards."""
    parts = (0 if span.start is None else span.start, span.stop, 1 if span.step is None else span.step)
    plain = all(isinstance(part, int) and not isinstance(part, bool) and part >= 0 for part in parts)
    return span.stop if plain and parts[2] > 0 else None


def _written(name: str, value: Any) -> Any:
    if name in REFERENCES:
        return reference.written(value)
    return list(value) if isinstance(value, tuple) else value
