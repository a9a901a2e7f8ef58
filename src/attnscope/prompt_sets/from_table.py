"""Prompts whose texts are a column of a table; the other columns are labels, slots and the rest of what a prompt has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attnscope.errors import InputError
from attnscope.prompt_sets.prompt import Prompt, RandomTokens, Span, check_label
from attnscope.prompt_sets.table import Table
from attnscope.validation import is_whole

_SPECIAL = ("slots", "template", "row", "order", "random")


def prompts_of(table: Table, text: str) -> Iterator[tuple[str, Prompt]]:
    """The prompts of a table with the texts in the column `text`, and where each stands.

    Columns called slots, template, row, order and random are what `PromptSet.save` writes; all others are labels.
    """
    special = {name: _cells(table, name) for name in _SPECIAL if name in table.cells and name != text}
    names = [name for name in table.cells if name not in special and name != text]
    for name in names:
        check_label(name)
    labels = {name: table.labels(name) for name in names}
    random = special.get("random", [None] * len(table))
    texts = _texts(table, text, random)
    for index in range(len(table)):
        place = table.where(index)
        cells = {name: column[index] for name, column in special.items()}
        held = {name: column[index] for name, column in labels.items()}
        row, template = cells.get("row"), cells.get("template")
        try:
            yield (
                place,
                Prompt(
                    texts[index],
                    slots=_slots(cells.get("slots")),
                    labels={name: value for name, value in held.items() if value is not None},
                    template=0 if template is None else _index(template, "template"),
                    row=index if row is None else _index(row, "row"),
                    order=_order(cells.get("order")),
                    random=_random(random[index]),
                ),
            )
        except InputError as error:
            raise InputError(f"{place}: {error}") from error


def row_numbers(table: Table) -> list[int]:
    """The column `row` of a table, which says which rows belong together; without it, each row is one."""
    if "row" not in table.cells:
        return list(range(len(table)))
    return [_index(cell, "row", table.where(index)) for index, cell in enumerate(_cells(table, "row"))]


def _cells(table: Table, name: str) -> list[Any]:
    if name in ("template", "row"):
        return list(table.labels(name))
    empty = (value is None or value != value for value in table.cells[name])
    return [None if is_empty else value for is_empty, value in zip(empty, table.cells[name], strict=True)]


def _texts(table: Table, text: str, random: list[Any]) -> list[str] | list[str | None]:
    if all(cell is None for cell in random):
        return table.texts(text)
    written = [index for index, cell in enumerate(random) if cell is None]
    places = [table.places[index] for index in written]
    given = Table(table.source, {text: [table.cells[text][index] for index in written]}, places).texts(text)
    texts: list[str | None] = [None] * len(table)
    for index, one in zip(written, given, strict=True):
        texts[index] = one
    return texts


def _index(value: object, name: str, place: str = "") -> int:
    if not is_whole(value) or int(value) < 0:  # pyright: ignore[reportArgumentType]
        raise InputError(
            f"{place}{': ' * bool(place)}the column {name!r} must hold whole numbers of at least 0; got {value!r:.80}."
        )
    return int(value)  # pyright: ignore[reportArgumentType]


def _order(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InputError(f'the column "order" must hold texts such as "x,y"; got {value!r:.80}.')
    return value


def _slots(cell: Any) -> dict[str, Span]:
    spans = _object(cell, "slots", '{"x": [4, 10]}')
    found: dict[str, Span] = {}
    for name, span in spans.items():
        if span is None:  # Parquet and datasets give every row the keys of all rows
            continue
        found[name] = tuple(span) if isinstance(span, (list, np.ndarray)) else span
    return found


def _random(cell: Any) -> RandomTokens | None:
    if cell is None:
        return None
    made = _object(cell, "random", '{"length": 50, "seed": 0}')
    if set(made) != {"length", "seed"}:
        raise InputError(f'the column "random" must hold a length and a seed; got {cell!r:.80}.')
    return RandomTokens(**made)


def _object(cell: Any, column: str, example: str) -> Mapping[str, Any]:
    if cell is None:
        return {}
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        value = None
    if not isinstance(value, Mapping):
        raise InputError(f"the column {column!r} must hold JSON objects such as {example}; got {cell!r:.80}.")
    return value
