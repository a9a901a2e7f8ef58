"""Read JSON from a file that may be damaged or forged: every value is read with its type, and checked for its range.

A value that does not fit raises `DamagedError` with its place in the file: "`next[2][1]` must be an integer; got text."
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Never, cast

from attnscope.errors import DamagedError

_DEEPEST = 64
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_PLACE = 80
_KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value and its place in the file."""

    value: object
    place: str

    def wrong(self, expected: str) -> Never:
        """Raise `DamagedError`: this value is not what was expected."""
        found: object = self.value
        said = "null" if found is None else _KINDS.get(type(found), type(found).__name__)
        if isinstance(found, (int, float)):
            said = str(found) if abs(found) < 1e15 else "a number that is too large"
        raise DamagedError(f"`{self.place[:_LONGEST_PLACE]}` must be {expected}; got {said}.")

    def at(self, name: str | int) -> str:
        """The place of a part of this value."""
        return f"{self.place}[{name}]" if isinstance(name, int) else f"{self.place}.{name}" if self.place else name

    def field(self, name: str) -> JsonValue:
        """A field that must be there; it may be null."""
        fields = self.fields()
        if name not in fields:
            raise DamagedError(f"`{self.at(name)}` is missing.")
        return fields[name]

    def optional(self, name: str) -> JsonValue | None:
        """A field; None if it is missing or null."""
        found = self.fields().get(name)
        return None if found is None or found.value is None else found

    def fields(self, known: Sequence[str] | None = None) -> dict[str, JsonValue]:
        """All fields of an object. If `known` is passed, there may be no others."""
        if not isinstance(self.value, dict):
            self.wrong("an object")
        fields = cast("dict[str, object]", self.value)
        strange = sorted(fields.keys() - set(known)) if known is not None else []
        if strange:
            raise DamagedError(f"`{self.place}` has the unknown field {strange[0][:40]!r}.")
        return {name: JsonValue(value, self.at(name[:40])) for name, value in fields.items()}

    def elements(self, count: int | None = None) -> list[JsonValue]:
        """The elements of a list; exactly `count`, if that is passed."""
        if not isinstance(self.value, list):
            self.wrong("a list")
        values = cast("list[object]", self.value)
        if count is not None and len(values) != count:
            raise DamagedError(f"`{self.place}` must have {count} elements; got {len(values)}.")
        return [JsonValue(value, self.at(index)) for index, value in enumerate(values)]

    def or_null(self) -> JsonValue | None:
        """This value, or None if it is null."""
        return None if self.value is None else self

    def text(self, pattern: str | None = None) -> str:
        """A string. If `pattern` is passed, the regular expression must match all of it."""
        if not isinstance(self.value, str):
            self.wrong("text")
        if pattern is not None and re.fullmatch(pattern, self.value) is None:
            raise DamagedError(f"`{self.place}` cannot be {self.value[:40]!r}.")
        return self.value

    def one_of(self, *words: str) -> Any:
        """One of these strings."""
        if not isinstance(self.value, str) or self.value not in words:
            self.wrong(f"one of {', '.join(words)}")
        return self.value

    def boolean(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.wrong("true or false")
        return self.value

    def integer(self, low: int = 0, high: int = _LARGEST_INTEGER) -> int:
        """An integer from `low` to `high`, inclusive."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.wrong(f"an integer from {low}" + ("" if high == _LARGEST_INTEGER else f" to {high}"))
        return self.value

    def exactly(self, number: int, because: str) -> None:
        """The integer `number`. `because` says what it is: "the number of keys"."""
        if type(self.value) is not int or self.value != number:
            self.wrong(f"{number}, {because}")

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from `low` to `high`, inclusive."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            limits = [f"from {low:g}"] * (low > -math.inf) + [f"to {high:g}"] * (high < math.inf)
            self.wrong(" ".join(["a number", *limits]))
        try:
            return float(value)
        except OverflowError:
            self.wrong("a number that fits in 64 bits")


def parse(text: str) -> JsonValue:
    """Parse JSON text. Raises `DamagedError` if it is not JSON, has numbers that are not finite, or is nested too deeply."""
    try:
        value: object = json.loads(text, parse_constant=_not_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise DamagedError("Its description is not valid JSON.") from error
    _check_depth(value)
    return JsonValue(value, "")


def _not_finite(word: str) -> Never:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for one in level:
            if isinstance(one, Mapping):
                below.extend(cast("Mapping[str, object]", one).values())
            elif isinstance(one, list):
                below.extend(cast("list[object]", one))
        if not below:
            return
        level = below
    raise DamagedError(f"Its description is nested more than {_DEEPEST} levels deep.")
