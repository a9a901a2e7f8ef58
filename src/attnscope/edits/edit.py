"""What every edit has in common: a place, a written form, and equality by what it says."""

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

REFERENCES = ("reference", "source")
"""The fields that hold values from elsewhere."""


@dataclass(frozen=True, eq=False, repr=False)
class Edit(ABC):
    """A change of what a model computes in one layer.

    Edits are equal where they say the same; a trace inside counts by its id. `repr` is Python that, after
    `from attnscope.edits import *`, evaluates to an equal edit.
    """

    layer: int
    stack: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str] = "Edit"
    """The name of the edit in JSON: that of its class."""

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__

    def __post_init__(self) -> None:
        self._whole("layer")
        if hasattr(self, "head"):
            self._whole("head")
        if self.stack is not None and not isinstance(self.stack, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"`stack` of {self.kind} is the name of a stack, or None; got {self.stack!r}.")

    @property
    def place(self) -> str:
        """The head (`5.3`) or layer that is changed, for a person; with its stack where one is named."""
        return place_words(self.layer, getattr(self, "head", None), self.stack)

    def as_json(self) -> dict[str, Any]:
        """The edit as a JSON object: its `type` and its fields (no `stack` where none is named); a trace inside by its id."""
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
        named = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return [(name, value) for name, value in named if name != "stack" or value is not None]

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _whole(self, *names: str) -> None:
        """Make these fields plain whole numbers from 0, or say which is none."""
        for name in names:
            self._set(name, whole(getattr(self, name), f"`{name}` of {self.kind}"))

    def _number(self, name: str) -> float:
        """Make this field a plain finite number, or say that it is none."""
        value = getattr(self, name)
        try:
            number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"`{name}` of {self.kind} is a finite number; got {value!r}.")
        self._set(name, number)
        return number

    def _one_of(self, name: str, *allowed: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in allowed:
            raise InputError(f"`{name}` of {self.kind} is one of {', '.join(allowed)}; got {value!r}.")


def whole(value: object, what: str) -> int:
    """`value` as a plain whole number from 0; `what` says what it is, should it be none."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"{what} is a whole number from 0; got {value!r}.")
    return number


def _written(name: str, value: Any) -> Any:
    if name in REFERENCES:
        return reference.written(value)
    return list(value) if isinstance(value, tuple) else value
