"""Pairs of prompts for patching, from a table with the columns clean, corrupted, answer and foil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.prompt_sets import PromptSet
    from attnscope.prompt_sets.table import Table

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
    from attnscope.prompt_sets.from_table import prompts_of

    table = _table(source)
    prompts: list[Prompt] = []
    corrupted = table.texts("corrupted")
    for number, (_, prompt) in enumerate(prompts_of(table, "clean")):
        labels = {**prompt.labels, "pair": number}
        labels.pop("corrupted", None)
        for side, text in zip(_SIDES, (prompt.text, corrupted[number]), strict=True):
            prompts.append(Prompt(text, labels={**labels, "side": side}, row=prompt.row))
    return PromptPairs(
        PromptSet(prompts, source=source),
        "{answer}" if "answer" in table.cells else answer,
        "{foil}" if "foil" in table.cells else foil,
    )


def _table(source: str) -> Table:
    from attnscope.cli.prompts import existing_file, standard_input
    from attnscope.prompt_sets.table_source import table_of

    found = standard_input(table=True) if source == "-" else existing_file(source, "pairs of prompts")
    table = table_of(found, "clean", None, "The pairs")
    if not set(_SIDES) <= set(table.cells):
        raise InputError(f"Pairs of prompts need the columns clean and corrupted; got {', '.join(table.cells)}.")
    return table
