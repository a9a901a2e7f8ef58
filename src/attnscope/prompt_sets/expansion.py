"""Prompts from templates: rows fill the slots, crossed values multiply the rows, and a swap exchanges two places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from attnscope.errors import InputError
from attnscope.prompt_sets.from_table import row_numbers
from attnscope.prompt_sets.prompt import Prompt, Value, check_label
from attnscope.prompt_sets.table import Table, numbered
from attnscope.prompt_sets.template import Template


def expand(
    templates: Sequence[Template], rows: Table | None, crossed: Mapping[str, list[Value]], swap: tuple[str, str] | None
) -> Iterator[tuple[str, Prompt]]:
    """The prompts of each row, template, combination of crossed values and order, nested in this sequence.

    Each comes with where its row stands. Without rows, there is one row, which has no values.
    """
    columns = [] if rows is None else [name for name in rows.cells if name != "row"]
    _check(templates, columns, crossed, swap)
    slots = {slot for template in templates for slot in template.slots}
    values: dict[str, Sequence[Value | None]] = {}
    for name in columns:
        assert rows is not None
        values[name] = rows.values(name) if name in slots else rows.labels(name)
    numbers = [0] if rows is None else row_numbers(rows)
    orders = [(template, None) if swap is None else (template, ",".join(swap)) for template in templates]
    for index, row in enumerate(numbers):
        own = {name: value for name, column in values.items() if (value := column[index]) is not None}
        place = "In the template" if rows is None else rows.where(index)
        for number, (template, order) in enumerate(orders):
            for combination in product(*crossed.values()):
                labels = own | dict(zip(crossed, combination, strict=True))
                text, spans = template.filled(labels)
                yield place, Prompt(text, spans, labels, number, row, order)
                if swap is not None:
                    text, spans = template.swapped(*swap).filled(labels)
                    yield place, Prompt(text, spans, labels, number, row, ",".join(reversed(swap)))


def crossed_values(cross: object) -> dict[str, list[Value]]:
    """The values of `cross=`, checked."""
    if cross is None:
        return {}
    if not isinstance(cross, Mapping):
        raise InputError(f'`cross` must be a dict such as {{"p": ["She", "He"]}}; got {cross!r:.80}.')
    for name, values in cross.items():
        if not isinstance(values, (list, tuple)):
            raise InputError(f"`cross` must have a list of values for the slot {name!r:.80}; got {values!r:.80}.")
        if not values:
            raise InputError(f"`cross` has no values for the slot {name!r:.80}. Give at least one.")
        if len(set(map(repr, values))) < len(values):
            raise InputError(f"`cross` has a value of the slot {name!r:.80} twice: {values!r:.80}. Remove one.")
    return {
        name: Table("`cross`", {name: values}, numbered(len(values))).values(name) for name, values in cross.items()
    }


def swapped_slots(swap: object) -> tuple[str, str] | None:
    """The two slots of `swap=`, checked."""
    if swap is None:
        return None
    if isinstance(swap, (list, tuple)) and len(swap) == 2 and all(isinstance(name, str) for name in swap):
        first, second = swap
        if first != second:
            return first, second
    raise InputError(f'`swap` must name two different slots, such as ("x", "y"); got {swap!r:.80}.')


def _check(
    templates: Sequence[Template], columns: Sequence[str], crossed: Mapping[str, object], swap: tuple[str, str] | None
) -> None:
    for name in (*columns, *crossed, *(slot for template in templates for slot in template.slots)):
        check_label(name)
    both = next((name for name in columns if name in crossed), None)
    if both is not None:
        raise InputError(f"The slot {both!r:.80} has values in `rows` and in `cross`. Remove one of the two.")
    known = f"`rows` has {_listed(columns)}, and `cross` has {_listed(crossed)}"
    for template in templates:
        words = f"the template {template.text!r:.80}"
        for name in template.slots:
            if name not in columns and name not in crossed:
                raise InputError(f"The slot {name!r:.80} of {words} has no values: {known}.")
        for name in crossed:
            if name not in template.slots:
                raise InputError(f"`cross` has {name!r:.80}, but {words} has only the slots {_listed(template.slots)}.")
        for name in swap or ():
            if name not in template.slots:
                raise InputError(
                    f"`swap` names {name!r:.80}, but {words} has only the slots {_listed(template.slots)}."
                )


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
