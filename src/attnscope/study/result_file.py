"""Tables with a head of JSON values as files: Parquet with the head in its metadata, or CSV with the head beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from attnscope.errors import InputError, MissingError
from attnscope.files import replacing, shown
from attnscope.validation import user_path

_KEY = "attnscope_result"


def write_table(path: str | Path, table: pd.DataFrame, head: Mapping[str, Any]) -> None:
    """Write a table and its head. Raises `InputError` for an ending other than .parquet and .csv, and `WriteError`."""
    target = checked_path(path)
    if target.suffix == ".parquet":
        table.attrs = {_KEY: dict(head)}
        with replacing(target, "the result") as unfinished:
            table.to_parquet(unfinished, index=False)
        return
    with replacing(target, "the result") as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.17g")
    with replacing(_beside(target), "the provenance of the result") as unfinished:
        unfinished.write_text(json.dumps(head, indent=1, allow_nan=False, ensure_ascii=True), "ascii")


def read_table(path: str | Path) -> tuple[pd.DataFrame, Any]:
    """A table and its head. Raises `MissingError` for a missing file, and any error of pandas for a damaged one.

    The head lists the columns that are numbers in `values`.
    """
    source = checked_path(path)
    if not source.is_file():
        raise MissingError(f"There is no file {shown(source)}.")
    if source.suffix == ".parquet":
        found = pd.read_parquet(source)
        return found, found.attrs[_KEY]
    beside = _beside(source)
    if not beside.is_file():
        raise MissingError(f"There is no {shown(beside)}, which holds the provenance of the result.")
    head: Any = json.loads(beside.read_text("utf-8"))
    numbers = dict.fromkeys(head["values"], str)  # pandas' own conversion of older versions loses the last digit
    return pd.read_csv(source, dtype=numbers).astype(dict.fromkeys(numbers, float)), head


def checked_path(path: str | Path) -> Path:
    """A path with an ending that can be written and read. Raises `InputError` for another one."""
    target = user_path(path)
    if target.suffix not in (".parquet", ".csv"):
        raise InputError(f"A result is a .parquet or a .csv file; got {shown(target)}.")
    return target


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
