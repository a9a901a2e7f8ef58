"""A set of prompts as an immutable sequence, with its labels, its frame and its hash."""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import pandas

from attnscope.errors import InputError
from attnscope.prompt_sets.prompt import Prompt, Value
from attnscope.prompt_sets.prompt_file import json_lines, write_prompts

_FIELDS = ("template", "row", "order")
_SHOWN = 5


class PromptSet(Sequence[Prompt]):
    """An immutable sequence of prompts, as `attnscope.prompts` makes it.

    An index gives a `Prompt`, a slice a `PromptSet`. Two sets are equal if their prompts are.

    Attributes:
        templates: The texts of the templates; empty for prompts that were not made from templates, or were read from a file.
        source: Where the prompts come from: a file name, "template", "texts", "table", or "shipped: occupations".
        license: The license of a shipped set; None for others.
    """

    def __init__(
        self,
        prompts: Iterable[Prompt],
        *,
        templates: Sequence[str] = (),
        source: str = "prompts",
        license: str | None = None,  # noqa: A002 - the name of the attribute
    ) -> None:
        self._prompts = tuple(prompts)
        wrong = next((prompt for prompt in self._prompts if not isinstance(prompt, Prompt)), None)
        if wrong is not None:
            raise InputError(
                f"A PromptSet consists of prompts; got {wrong!r:.80}. `attnscope.prompts` makes a set from texts."
            )
        self.templates = tuple(templates)
        self.source = source
        self.license = license

    def __len__(self) -> int:
        return len(self._prompts)

    @overload
    def __getitem__(self, index: int) -> Prompt: ...
    @overload
    def __getitem__(self, index: slice) -> PromptSet: ...
    def __getitem__(self, index: int | slice) -> Prompt | PromptSet:
        if isinstance(index, slice):
            return self._like(self._prompts[index])
        return self._prompts[operator.index(index)]

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._prompts)

    def __eq__(self, other: object) -> bool:
        return self._prompts == other._prompts if isinstance(other, PromptSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._prompts)

    def __repr__(self) -> str:
        rows = len({prompt.row for prompt in self._prompts})
        count = f"{len(self)} prompt{'' if len(self) == 1 else 's'}"
        lines = [f"PromptSet: {count} from {rows} row{'' if rows == 1 else 's'} ({self.source})"]
        lines += [
            f"  {title}: {', '.join(names)}"
            for title, names in (("slots", self.slots), ("labels", self.labels))
            if names
        ]
        lines += [_line(index, prompt) for index, prompt in enumerate(self._prompts[:_SHOWN])]
        if len(self) > _SHOWN:
            lines.append(f"  … {len(self) - _SHOWN} more")
        return "\n".join(lines)

    @cached_property
    def id(self) -> str:
        """A content hash (32 hex digits) over all prompts in their order."""
        digest = hashlib.sha256(json_lines(self._prompts).encode())
        return digest.hexdigest()[:32]

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """The names of all slots, such as "x" and "x#2", in the order in which they first occur."""
        return tuple(dict.fromkeys(name for prompt in self._prompts for name in prompt.slots))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of all labels, in the order in which they first occur."""
        return tuple(dict.fromkeys(name for prompt in self._prompts for name in prompt.labels))

    def frame(self) -> pandas.DataFrame:
        """A table with one line per prompt: its number in `prompt`, then text, template, row, order, and a column per label.

        A slot that is no label has a column with the text that fills it. What a prompt doesn't have is missing there.
        """
        columns: dict[str, list[Any]] = {
            "prompt": list(range(len(self))),
            "text": [prompt.text for prompt in self],
            "template": [prompt.template for prompt in self],
            "row": [prompt.row for prompt in self],
            "order": [prompt.order for prompt in self],
        }
        for name in self.labels:
            columns[name] = [prompt.labels.get(name) for prompt in self]
        for name in self.slots:
            if name not in columns:
                columns[name] = [_slot_text(prompt, name) for prompt in self]
        return pandas.DataFrame(columns)

    def filter(self, **labels: Value | Iterable[Value] | None) -> PromptSet:
        """The prompts with these labels; a list means any of its values. `template`, `row` and `order` can be given as well.

        Raises `InputError` for an unknown label, and if no prompt is left.
        """
        chosen = self._prompts
        for name, value in labels.items():
            if name not in (*self.labels, *_FIELDS):
                raise InputError(
                    f"No label is called {name!r:.80}; the labels are {_listed((*self.labels, *_FIELDS))}."
                )
            is_one = isinstance(value, (str, int, float, bool)) or value is None
            wanted = [value] if is_one else list(value)  # pyright: ignore[reportArgumentType]
            found = [prompt for prompt in chosen if _of(prompt, name) in wanted]
            if not found:
                values = dict.fromkeys(_of(prompt, name) for prompt in chosen)
                raise InputError(f"No prompt is left with {name}={value!r:.80}; the values are {_listed(values)}.")
            chosen = tuple(found)
        return self._like(chosen)

    def to_json(self) -> str:
        """The prompts as JSON Lines, as `save` writes them to a .jsonl file (docs/how-to/prompts.md)."""
        return json_lines(self._prompts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the prompts to a .jsonl, .csv or .parquet file, which `attnscope.prompts` reads back as an equal set.

        Slots are a column of JSON objects with character spans: `{"x": [4, 10]}` (docs/how-to/prompts.md). Raises `InputError`
        for another ending and for labels that a CSV file cannot hold, and `WriteError` if the file cannot be written.
        """
        write_prompts(self._prompts, path)

    def _like(self, prompts: Iterable[Prompt]) -> PromptSet:
        return PromptSet(prompts, templates=self.templates, source=self.source, license=self.license)


def _of(prompt: Prompt, name: str) -> Any:
    return getattr(prompt, name) if name in _FIELDS else prompt.labels.get(name)


def _slot_text(prompt: Prompt, name: str) -> str | None:
    span = prompt.slots.get(name)
    return None if span is None or prompt.text is None else prompt.text[slice(*span)]


def _line(index: int, prompt: Prompt) -> str:
    if prompt.text is None and prompt.random is not None:
        shown = f"{prompt.random.length} random tokens, twice (seed {prompt.random.seed})"
    else:
        text = prompt.text or ""
        shown = repr(text if len(text) <= 100 else f"{text[:99]}…")
    return f"  {index}: {shown}" + (f"  {prompt.order}" if prompt.order else "")


def _listed(values: Iterable[object], most: int = 12) -> str:
    shown = [repr(value)[:60] for value in values]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
