"""Pairs of prompts for patching, from a table with the columns clean, corrupted, answer and foil."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.prompt_sets import PromptSet

_SIDES = ("clean", "corrupted")


@dataclass(frozen=True)
class PromptPairs:
    """The prompts of all pairs, and how a study pairs them. `answer` and `foil` name the labels that hold them."""

    prompts: PromptSet
    answer: str | None
    foil: str | None
    between: tuple[str, str, str] = ("side", *_SIDES)


def prompt_pairs(source: str, answer: str | None = None, foil: str | None = None) -> PromptPairs:
    """The pairs in a file, or in CSV on standard input for "-". `answer` and `foil` hold for all rows if the table has none.

    Raises `InputError` for a table without the columns clean and corrupted, or with empty cells, and `MissingError`.
    """
    from attnscope.prompt_sets import Prompt, PromptSet

    rows = _rows(source)
    prompts: list[Prompt] = []
    for number, row in enumerate(rows):
        shared = {name: row[name] for name in ("answer", "foil") if name in row}
        for side in _SIDES:
            text = row.get(side)
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"Row {number + 1} of {source!r:.80} has no text in the column {side}.")
            prompts.append(Prompt(text, labels={**shared, "side": side}, row=number))
    columns = rows[0]
    return PromptPairs(
        PromptSet(prompts, source=source),
        "{answer}" if "answer" in columns else answer,
        "{foil}" if "foil" in columns else foil,
    )


def _rows(source: str) -> list[Mapping[str, Any]]:
    import attnscope
    from attnscope.cli.prompts import existing_file

    if source == "-":
        import pandas

        found: Any = pandas.read_csv(io.StringIO(sys.stdin.read()), dtype=str, keep_default_na=False).to_dict("records")
    else:
        table = attnscope.prompts(existing_file(source, "pairs of prompts"), text="clean")
        found = [{**prompt.labels, "clean": prompt.text} for prompt in table]
    if not found or not set(_SIDES) <= set(found[0]):
        columns = ", ".join(map(str, found[0])) if found else "none"
        raise InputError(f"Pairs of prompts need the columns clean and corrupted; got {columns}.")
    return found
