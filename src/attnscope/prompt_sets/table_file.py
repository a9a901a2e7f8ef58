"""Local files as tables: texts (.txt), CSV, JSON Lines and Parquet."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas
import pyarrow
from pyarrow import parquet

from attnscope.errors import InputError, MissingError
from attnscope.files import reason, shown
from attnscope.prompt_sets.table import Table, check_names, from_rows, numbered
from attnscope.validation import user_path

ENDINGS = (".txt", ".csv", ".jsonl", ".parquet")


def read_table(path: str | os.PathLike[str], text: str | None, limit: int | None = None) -> Table:
    """The first `limit` rows of a file. The lines of a .txt file become the column `text`; None accepts no such file.

    Raises `MissingError` if there is no such file, and `InputError` if it cannot be read, is empty or has another ending.
    """
    if "://" in os.fspath(path):
        raise InputError(f"{shown(path)} is an address; only local files are read. Download the file first.")
    found = user_path(path)
    ending = found.suffix.lower()
    accepted = ENDINGS if text is not None else ENDINGS[1:]
    if found.is_dir():
        raise InputError(f"{shown(path)} is a folder. Name one file in it.")
    if ending not in accepted:
        what = "prompts are" if text is not None else "rows are"
        raise InputError(f"{shown(path)} has an unknown ending; {what} read from {', '.join(accepted)} files.")
    if not found.exists():
        raise MissingError(f"There is no file {shown(path)}. To use a text as a prompt, pass it in a list.")
    try:
        table = _read(found, shown(path), text, limit)
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"Cannot read {shown(path)}: {reason(error)}.") from error
    if not len(table):
        raise InputError(f"{shown(path)} is empty: it has no {'lines' if ending == '.txt' else 'rows'}.")
    return table


def csv_table(text: str, name: str, limit: int | None = None) -> Table:
    """The first `limit` rows of the content of a CSV file. Raises `InputError` if it is not valid or has no rows."""
    table = _read_csv(io.StringIO(text), name, limit)
    if not len(table):
        raise InputError(f"{name} is empty: it has no rows.")
    return table


def _read(path: Path, name: str, text: str | None, limit: int | None) -> Table:
    match path.suffix.lower():
        case ".txt":
            lines = list(islice(_lines(path), limit))
            return Table(name, {text or "": [line for _, line in lines]}, [f"line {number}" for number, _ in lines])
        case ".jsonl":
            return _read_json_lines(path, name, limit)
        case ".csv":
            return _read_csv(path, name, limit)
        case _:
            return _read_parquet(path, name, limit)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.removesuffix("\n")


def _read_json_lines(path: Path, name: str, limit: int | None) -> Table:
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    for number, line in islice(_lines(path), limit):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}, line {number}, is not JSON ({error}). Each line must be one object.") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}, is not a JSON object but {line.strip()!r:.60}.")
        rows.append(row)
        places.append(f"line {number}")
    return from_rows(name, rows, places)


def _read_csv(source: Path | io.StringIO, name: str, limit: int | None) -> Table:
    try:
        read = pandas.read_csv(
            source,
            dtype=str,
            header=None,  # so that pandas reports a row with more cells than the header has
            nrows=None if limit is None else limit + 1,
            encoding="utf-8-sig",
            keep_default_na=False,  # "NA" and "None" are texts
            na_values=[""],
        )
    except pandas.errors.EmptyDataError:
        return Table(name, {}, [])
    except pandas.errors.ParserError as error:
        detail = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise InputError(
            f"{name} is not a valid CSV file ({detail}). Put texts with commas between double quotes."
        ) from error
    names = [None if isinstance(cell, float) else cell for cell in read.iloc[0].tolist()]
    check_names(name, names)
    rows = read.iloc[1:]
    cells = {str(title): rows[position].tolist() for position, title in enumerate(names)}
    return Table(name, cells, numbered(len(rows)), untyped=True)


def _read_parquet(path: Path, name: str, limit: int | None) -> Table:
    try:
        with parquet.ParquetFile(path) as file:
            batches: list[Any] = []
            missing = limit if limit is not None else file.metadata.num_rows
            for batch in file.iter_batches():
                if missing <= 0:
                    break
                batches.append(batch.slice(0, missing))
                missing -= len(batches[-1])
            read = pyarrow.Table.from_batches(batches, schema=file.schema_arrow)
    except pyarrow.ArrowException as error:
        raise InputError(f"{name} is not a valid Parquet file ({str(error).splitlines()[0]:.200}).") from error
    return arrow_table(read, name)


def arrow_table(read: pyarrow.Table, name: str) -> Table:
    """A table of Arrow, without the column in which pandas keeps its own index."""
    check_names(name, read.column_names)
    named = [column for column in read.column_names if not column.startswith("__index_level_")]
    return Table(name, {column: read.column(column).to_pylist() for column in named}, numbered(read.num_rows))
