"""A table of what prompts are made from, and the checks of its cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from attnscope.errors import InputError
from attnscope.prompt_sets.prompt import Value, is_value
from attnscope.validation import TEXT

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Table:
    """Columns of equally many cells. `source` names it, `places` says where each row stands ("line 4").

    `untyped` says that all cells are texts, as in a CSV file, so that labels have to be recognized as numbers.
    """

    source: str
    cells: Mapping[str, Sequence[Any]]
    places: Sequence[str]
    untyped: bool = False

    def __len__(self) -> int:
        return len(self.places)

    def texts(self, column: str) -> list[str]:
        """The cells of a column of texts, all of which must be there and not be empty."""
        return [self._text(index, column, value) for index, value in enumerate(self._column(column))]

    def values(self, column: str) -> list[Value]:
        """The cells of a column whose values fill a slot: all must be there. Cells of a CSV file stay as they are written."""
        values = self._uniform(column, self._column(column))
        found: list[Value] = []
        for index, value in enumerate(values):
            if value is None or (isinstance(value, str) and not value.strip()):
                raise InputError(
                    f"{self.where(index)}: the slot {column!r:.80} has no value. Fill the cell, or remove the row."
                )
            found.append(value)
        return found

    def labels(self, column: str) -> list[Value | None]:
        """The cells of a column of labels; None where there is none."""
        cells = self._column(column)
        return _recognized(cells) if self.untyped else self._uniform(column, cells)

    def where(self, index: int) -> str:
        """Where a row stands, for the beginning of a message: "In 'a.jsonl', line 4"."""
        return f"In {self.source}, {self.places[index]}"

    def _column(self, column: str) -> list[Any]:
        if column not in self.cells:
            known = ", ".join(map(repr, self.cells)) or "(none)"
            raise InputError(f"{self.source} has no column {column!r:.80}; its columns are {known}.")
        return [_plain(cell) for cell in self.cells[column]]

    def _text(self, index: int, column: str, value: Any) -> str:
        if value is None:
            raise InputError(
                f"{self.where(index)}: the column {column!r:.80} has no text. Fill the cell, or remove the row."
            )
        if not isinstance(value, str) or not TEXT.fits(value):
            raise InputError(f"{self.where(index)}: a text must be {TEXT.words}; got {value!r:.80}.")
        if not value.strip():
            raise InputError(f"{self.where(index)}: the text {value!r:.40} is empty. Remove the row.")
        return str(value)

    def _uniform(self, column: str, cells: list[Any]) -> list[Value | None]:
        kinds: set[type] = set()
        for index, cell in enumerate(cells):
            if cell is None:
                continue
            if not is_value(cell):
                raise InputError(
                    f"{self.where(index)}: the column {column!r:.80} must hold texts, finite numbers or True and False; "
                    f"got {cell!r:.80}. Convert or drop the column."
                )
            kinds.add(type(cell))
        if kinds == {int, float}:
            return [None if cell is None else float(cell) for cell in cells]
        if len(kinds) > 1:
            names = " and ".join(
                sorted({"str": "texts", "bool": "True or False"}.get(kind.__name__, "numbers") for kind in kinds)
            )
            raise InputError(f"In {self.source}, the column {column!r:.80} mixes {names}. Give all its cells one type.")
        return cells


def from_rows(source: str, rows: Iterable[Mapping[str, Any]], places: Sequence[str]) -> Table:
    """A table from one mapping per row. A key that a row lacks is an empty cell."""
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    check_names(source, names)
    return Table(source, {name: [row.get(name) for row in listed] for name in names}, places)


def check_names(source: str, names: Sequence[object]) -> None:
    """Raise `InputError` if the names of the columns are not different texts."""
    wrong = next((name for name in names if not isinstance(name, str) or not name or not TEXT.fits(name)), None)
    if wrong is not None or None in names:
        named = f"named {wrong!r:.80}" if wrong not in (None, "") else "without a name"
        raise InputError(f"{source} has a column {named}; the names of columns must be texts.")
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{source} has two columns named {double!r:.80}. Rename one.")


def numbered(count: int) -> list[str]:
    """The places of rows that have no line numbers."""
    return [f"row {index} (counted from 0)" for index in range(count)]


def _plain(cell: Any) -> Any:
    """A cell without NumPy's and pandas' types; None where the cell is empty."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or cell is pandas.NA or cell is pandas.NaT or (isinstance(cell, float) and cell != cell):
        return None
    return str(cell) if isinstance(cell, str) else cell


def _recognized(cells: list[str | None]) -> list[Value | None]:
    """Cells of a CSV file as numbers or True and False if all of them are."""
    given = [cell for cell in cells if cell is not None]
    convert: Callable[[str], Value] = str
    if given and all(_WHOLE.fullmatch(cell) for cell in given):
        convert = int
    elif given and all(_NUMBER.fullmatch(cell) for cell in given):
        convert = float
    elif given and all(cell.lower() in ("true", "false") for cell in given):
        convert = _is_true
    return [None if cell is None else convert(cell) for cell in cells]


def _is_true(cell: str) -> bool:
    return cell.lower() == "true"
