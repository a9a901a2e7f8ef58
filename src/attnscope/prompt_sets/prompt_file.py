"""Writing prompts to a file: one row per prompt, with the same columns in JSON Lines, CSV and Parquet.

The columns are text, slots (a JSON object of character spans, {"x": [4, 10]}), template, row and order, then one per label.
Random tokens have no text but a JSON object in the column random, {"length": 50, "seed": 3}.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas
import pyarrow
from pyarrow import parquet

from attnscope.errors import InputError
from attnscope.files import replacing, shown
from attnscope.prompt_sets.from_table import prompts_of
from attnscope.prompt_sets.prompt import Prompt
from attnscope.prompt_sets.table_file import read_table
from attnscope.validation import user_path

ENDINGS = (".jsonl", ".csv", ".parquet")


def json_lines(prompts: Sequence[Prompt]) -> str:
    """One JSON object per line and prompt."""
    return "".join(json.dumps(_record(prompt), allow_nan=False) + "\n" for prompt in prompts)


def write_prompts(prompts: Sequence[Prompt], path: str | os.PathLike[str]) -> None:
    """Write a file from which the same prompts are read; its ending chooses the format."""
    target = user_path(path)
    if target.suffix.lower() not in ENDINGS:
        raise InputError(f"{shown(path)} has an unknown ending; prompts are saved as {', '.join(ENDINGS)} files.")
    if not prompts:
        raise InputError("There are no prompts to save.")
    with replacing(target, "the prompts") as unfinished:
        match target.suffix.lower():
            case ".jsonl":
                unfinished.write_text(json_lines(prompts), encoding="utf-8", newline="\n")
            case ".csv":
                _write_csv(prompts, unfinished)
            case _:
                _write_parquet(prompts, unfinished)


def _record(prompt: Prompt) -> dict[str, Any]:
    record: dict[str, Any] = {"text": prompt.text, "slots": dict(prompt.slots)}
    record |= {"template": prompt.template, "row": prompt.row, "order": prompt.order}
    if prompt.random is not None:
        record["random"] = asdict(prompt.random)
    return record | dict(prompt.labels)


def _columns(prompts: Sequence[Prompt]) -> dict[str, list[Any]]:
    records = [_record(prompt) for prompt in prompts]
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    for name in {"slots", "random"} & columns.keys():
        columns[name] = [None if cell is None else json.dumps(cell) for cell in columns[name]]
    return columns


def _write_csv(prompts: Sequence[Prompt], path: Path) -> None:
    frame = pandas.DataFrame(_columns(prompts), dtype=object)
    frame.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8")
    read = [prompt for _, prompt in prompts_of(read_table(path, "text"), "text")]
    for index, (written, found) in enumerate(zip(prompts, read, strict=True)):
        for name, value in written.labels.items():
            if (type(value), value) != (type(found.labels.get(name)), found.labels.get(name)):
                raise InputError(
                    f"A CSV file cannot hold the label {name!r:.80} of prompt {index}: {value!r:.40} would be read as "
                    f"{found.labels.get(name)!r:.40}. Save as .jsonl or .parquet."
                )
        if written != found:
            raise InputError(
                f"A CSV file cannot hold prompt {index} exactly: {written.text!r:.80}. Save as .jsonl or .parquet."
            )


def _write_parquet(prompts: Sequence[Prompt], path: Path) -> None:
    try:
        table = pyarrow.table(_columns(prompts))
    except pyarrow.ArrowException as error:
        raise InputError(f"A Parquet file cannot hold these labels ({error}). Give each label one type.") from error
    parquet.write_table(table, path)
