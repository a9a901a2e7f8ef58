"""Results as files: a Parquet file, or a CSV file with its provenance beside it in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from attnscope.errors import DamagedError, InputError, MissingError
from attnscope.files import reason, replacing, shown
from attnscope.study.result import Ratio, Result
from attnscope.validation import user_path

FORMAT = 1
_KEY = "attnscope_result"


def write_result(result: Result, path: str | Path) -> None:
    """Implement `Result.save`."""
    target = _checked(path)
    found, head = result.frame(), _head(result)
    if target.suffix == ".parquet":
        found.attrs = {_KEY: head}
        with replacing(target, "the result") as unfinished:
            found.to_parquet(unfinished, index=False)
        return
    with replacing(target, "the result") as unfinished:
        found.to_csv(unfinished, index=False, float_format="%.17g")
    with replacing(_beside(target), "the provenance of the result") as unfinished:
        unfinished.write_text(json.dumps(head, indent=1, allow_nan=False, ensure_ascii=True), "ascii")


def read_result(path: str | Path) -> Result:
    """Implement `Result.open`."""
    source = _checked(path)
    if not source.is_file():
        raise MissingError(f"There is no file {shown(source)}.")
    try:
        if source.suffix == ".parquet":
            found = pd.read_parquet(source)
            head: Any = found.attrs.get(_KEY)
        else:
            head = json.loads(_beside(source).read_text("utf-8"))
            numbers = dict.fromkeys(
                head["values"], str
            )  # pandas' own conversion of older versions loses the last digit
            found = pd.read_csv(source, dtype=numbers).astype(dict.fromkeys(numbers, float))
        return _result(found, head)
    except FileNotFoundError as error:
        raise MissingError(
            f"There is no {shown(_beside(source))}, which holds the provenance of the result."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{shown(source)} is not a result of attnscope, or it is damaged: {reason(error)}."
        ) from error


def _checked(path: str | Path) -> Path:
    target = user_path(path)
    if target.suffix not in (".parquet", ".csv"):
        raise InputError(f"A result is a .parquet or a .csv file; got {shown(target)}.")
    return target


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _head(result: Result) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "question": result.question,
        "sentence": result.sentence,
        "inputs": [str(name) for name in result.inputs.columns],
        "cells": [str(name) for name in result.cells.columns],
        "size": [len(result.inputs), len(result.cells)],
        "values": list(result.values),
        "summaries": {name: how if isinstance(how, str) else asdict(how) for name, how in result.summaries.items()},
        "signed": result.signed,
        "provenance": dict(result.provenance),
        "notes": list(result.notes),
    }


def _result(found: pd.DataFrame, head: Mapping[str, Any]) -> Result:
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']}, and this version reads {FORMAT}")
    inputs, cells = head["size"]
    if len(found) != inputs * cells:
        raise ValueError(f"it has {len(found)} rows instead of {inputs} × {cells}")
    first = np.arange(inputs) * cells
    return Result(
        question=head["question"],
        sentence=head["sentence"],
        inputs=found[head["inputs"]].iloc[first].reset_index(drop=True),
        cells=found[head["cells"]].iloc[:cells].reset_index(drop=True),
        values={name: found[name].to_numpy(float).reshape(inputs, cells) for name in head["values"]},
        summaries={name: _summary(how) for name, how in head["summaries"].items()},
        signed=bool(head["signed"]),
        provenance=head["provenance"],
        notes=tuple(head["notes"]),
    )


def _summary(how: Any) -> Any:
    """A summary from JSON: a name, or the two values of a `Ratio`."""
    return how if isinstance(how, str) else Ratio(**how)
