"""`attnscope.prompts`: makes sets of prompts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, overload

import pandas

from attnscope.errors import InputError
from attnscope.prompt_sets.duplicates import Duplicates, distinct
from attnscope.prompt_sets.expansion import crossed_values, expand, swapped_slots
from attnscope.prompt_sets.from_table import prompts_of
from attnscope.prompt_sets.prompt import Prompt, RandomTokens, Value
from attnscope.prompt_sets.prompt_set import PromptSet
from attnscope.prompt_sets.shipped import shipped_set, shipped_sets
from attnscope.prompt_sets.table_file import ENDINGS
from attnscope.prompt_sets.table_source import table_of
from attnscope.prompt_sets.template import parse
from attnscope.validation import PATH, TEXT, Kind, check_arguments, is_whole

Rows: TypeAlias = Iterable[Mapping[str, Any]] | pandas.DataFrame | str | os.PathLike[str]

_COUNT = Kind("a whole number of at least 1", lambda value: is_whole(value) and int(value) >= 1)  # pyright: ignore[reportArgumentType]
_SEED = Kind("a whole number of at least 0", lambda value: is_whole(value) and int(value) >= 0)  # pyright: ignore[reportArgumentType]
_DUPLICATES = Kind('"error" or "drop"', lambda value: value in ("error", "drop"))
_SEED_BITS = 48  # exact in JSON readers that know only 64-bit floats


class Prompts:
    """Makes a `PromptSet` from a template, texts, a table or a file: `attnscope.prompts(...)`.

    A **template** is a string with slots in braces, or a list of such strings. `rows` (a list of dicts, a DataFrame, or a .csv,
    .jsonl or .parquet file) fill the slots, `cross` combines every row with further values, and `swap=("x", "y")` makes each
    prompt twice: as written, and with the places of the two slots exchanged.

        attnscope.prompts(
            "The {x} asked the {y} a question. {p}",
            rows=[{"x": "doctor", "y": "nurse"}],
            cross={"p": ["She", "He"]},
            swap=("x", "y"),
        )

    `{x:a}` writes "a" or "an" before the value, `{x:A}` "A" or "An", and `{x:cap}` the value with a capital letter; `{{` and `}}`
    are braces. A column `row` of numbers in `rows` says which rows belong together.

    **Without a template**, pass a list of texts or dicts, a DataFrame, a dataset of Hugging Face, or the path of a local .txt
    (one text per line), .csv, .jsonl or .parquet file. The column `text` has the texts; the other columns become labels. `limit`
    reads only the first rows. A text that occurs twice is an error; `duplicates="drop"` keeps the first.

    Raises `InputError` for what cannot be used, and `MissingError` for a file that does not exist. See docs/how-to/prompts.md.
    """

    @check_arguments(text=TEXT, limit=_COUNT, duplicates=_DUPLICATES)
    def __call__(
        self,
        source: Any,
        *,
        rows: Rows | None = None,
        cross: Mapping[str, Sequence[Value]] | None = None,
        swap: tuple[str, str] | None = None,
        text: str = "text",
        limit: int | None = None,
        duplicates: Duplicates = "error",
    ) -> PromptSet:
        """Make a `PromptSet`; see above."""
        if rows is not None or cross is not None or swap is not None or _is_template(source):
            if text != "text":
                raise InputError(f"`text` names the column of the texts, but a template makes them; got {text!r:.80}.")
            return _from_templates(source, rows, cross, swap, limit, duplicates)
        if isinstance(source, PromptSet):
            return source[:limit]
        table = table_of(source, text, limit, "`source`")
        named = isinstance(source, (str, os.PathLike))
        name = Path(source).name if named else "texts" if list(table.cells) == [text] else "table"
        return PromptSet(distinct(prompts_of(table, text), duplicates), source=name)

    @check_arguments(length=_COUNT, n=_COUNT, seed=_SEED)
    def repeated_random(self, length: int, n: int = 20, seed: int = 0) -> PromptSet:
        """`n` prompts of `length` random tokens, repeated once after one start token: [x, r, r] (Olsson et al. 2022).

        They have no text: `Prompt.random` has the length and a seed per prompt, which follows from `seed` and the number of the
        prompt, and a study draws the tokens from the vocabulary of its model. Raises `InputError` for a number out of range.
        """
        seeds = [hashlib.sha256(f"{int(seed)} {index}".encode()).digest() for index in range(n)]
        drawn = [int.from_bytes(digest[: _SEED_BITS // 8], "big") for digest in seeds]
        prompts = [Prompt(None, row=index, random=RandomTokens(int(length), one)) for index, one in enumerate(drawn)]
        return PromptSet(prompts, source="repeated random tokens")

    @overload
    def shipped(self, name: None = None) -> dict[str, str]: ...
    @overload
    def shipped(self, name: str) -> PromptSet: ...
    def shipped(self, name: str | None = None) -> dict[str, str] | PromptSet:
        """A set that comes with attnscope; without a name, the names of all sets with one line on each.

        docs/reference/prompt-sets.md says how each was made, what it is for, and what not to conclude from it. Raises
        `InputError` for an unknown name.
        """
        return shipped_sets() if name is None else shipped_set(name)

    def __repr__(self) -> str:
        return "attnscope.prompts: call it with a template, a list of texts, a table or a file"


def _is_template(source: object) -> bool:
    """Whether a source without rows is a template: a string that is not the name of a file."""
    if not isinstance(source, str):
        return False
    if not PATH.fits(source) or "\n" in source:
        return True
    is_one_word = "{" not in source and " " not in source
    return not (source.lower().endswith(ENDINGS) or (is_one_word and (Path(source).suffix != "" or "/" in source)))


def _from_templates(
    source: object, rows: object, cross: object, swap: object, limit: int | None, duplicates: Duplicates
) -> PromptSet:
    texts = [source] if isinstance(source, str) else source
    if not isinstance(texts, (list, tuple)) or not texts:
        raise InputError(
            f"`rows`, `cross` and `swap` fill a template: a string or a list of strings; got {source!r:.80}."
        )
    templates = [parse(text) for text in texts]
    table = None if rows is None else table_of(rows, None, limit, "`rows`")
    made = distinct(expand(templates, table, crossed_values(cross), swapped_slots(swap)), duplicates)
    return PromptSet(made, templates=[template.text for template in templates], source="template")


prompts = Prompts()
