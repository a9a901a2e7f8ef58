"""One prompt of a set: its text, the places of its slots in the text, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any, TypeAlias

from attnscope.errors import InputError
from attnscope.validation import is_text, is_whole, require_characters

Value: TypeAlias = str | int | float | bool
Span: TypeAlias = tuple[int, int]

RESERVED = ("prompt", "text", "template", "row", "order", "slots", "random")
"""Columns of tables and files of prompts that have a meaning, so that no label can have these names."""


@dataclass(frozen=True)
class RandomTokens:
    """A prompt without a text: `length` random tokens and the same tokens again, after one start token ([x, r, r]).

    Which tokens these are also depends on the vocabulary of the model that reads them.

    Attributes:
        length: The number of tokens that are repeated.
        seed: The seed of the draw.
    """

    length: int
    seed: int

    def __post_init__(self) -> None:
        if not is_whole(self.length) or self.length < 1:
            raise InputError(f"`length` must be a whole number of at least 1; got {self.length!r:.80}.")
        if not is_whole(self.seed) or self.seed < 0:
            raise InputError(f"`seed` must be a whole number of at least 0; got {self.seed!r:.80}.")


@dataclass(frozen=True)
class Prompt:
    """One prompt of a `PromptSet`.

    Attributes:
        text: The text; None for random tokens.
        slots: The characters that the value of each slot has in the text, as (start, end) with the end excluded. Where a
            template names a slot again, further places are "x#2", "x#3".
        labels: The values of the row, the crossed values, and the other columns of a table.
        template: The index of the template.
        row: The index of the row. Prompts made from one row by crossing and swapping are not independent.
        order: The slots of a swap in the order in which they are written ("x,y"); None without a swap.
        random: Random tokens, which stand in place of a text; else None.
    """

    text: str | None
    slots: Mapping[str, Span] = field(default_factory=dict[str, Span])
    labels: Mapping[str, Value] = field(default_factory=dict[str, Value])
    template: int = 0
    row: int = 0
    order: str | None = None
    random: RandomTokens | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.random is None):
            raise InputError("A prompt has either a text or random tokens.")
        if self.text is not None:
            if not isinstance(self.text, str) or not self.text.strip():
                raise InputError(f"The text of a prompt must be a string that is not empty; got {self.text!r:.80}.")
            require_characters(self.text, "The text of a prompt")
        for name, span in self.slots.items():
            _check_span(name, span, len(self.text or ""))
        for name, value in self.labels.items():
            check_label(name)
            if not is_value(value):
                raise InputError(
                    f"The label {name!r:.80} must be a text, a finite number, True or False; got {value!r:.80}."
                )
        spans = {name: (int(start), int(end)) for name, (start, end) in self.slots.items()}
        object.__setattr__(self, "slots", MappingProxyType(spans))
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))

    def __repr__(self) -> str:
        what = repr(self.text) if self.random is None else repr(self.random)
        order = f", order={self.order!r}" if self.order is not None else ""
        slots, labels = dict(self.slots), dict(self.labels)
        return f"Prompt({what}, slots={slots}, labels={labels}, template={self.template}, row={self.row}{order})"

    def __hash__(self) -> int:
        return hash((self.text, self.template, self.row, self.order, self.random))

    def __reduce__(self) -> tuple[Any, ...]:  # read-only mappings cannot be pickled
        parts = (self.text, dict(self.slots), dict(self.labels), self.template, self.row, self.order, self.random)
        return Prompt, parts


def is_value(value: object) -> bool:
    """Whether a label can have this value: a text without half characters, a finite number, True or False."""
    if isinstance(value, str):
        return is_text(value)
    return isinstance(value, int) or (isinstance(value, float) and isfinite(value))


def check_label(name: object) -> None:
    """Raise `InputError` for a name that no label can have."""
    if not isinstance(name, str) or not name or not is_text(name):
        raise InputError(f"The name of a label must be a string that is not empty; got {name!r:.80}.")
    if name in RESERVED:
        raise InputError(
            f"A label or slot cannot be called {name!r}, which is another column of a set of prompts. Rename or drop it."
        )


def _check_span(name: str, span: object, length: int) -> None:
    if not (isinstance(span, (tuple, list)) and len(span) == 2 and all(is_whole(bound) for bound in span)):
        raise InputError(f"The span of the slot {name!r:.80} must be (start, end) in characters; got {span!r:.80}.")
    start, end = span
    if not 0 <= start < end <= length:
        raise InputError(
            f"The slot {name!r:.80} spans the characters {start} to {end} of a text of {length} characters."
        )
