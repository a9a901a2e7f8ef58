"""Lists, DataFrames and datasets as tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import pandas
import pyarrow

from attnscope.errors import InputError
from attnscope.prompt_sets.table import Table, check_names, from_rows, numbered
from attnscope.prompt_sets.table_file import arrow_table, read_table


def table_of(source: Any, text: str | None, limit: int | None, what: str) -> Table:
    """The first `limit` rows of a file, a DataFrame, a dataset, or a list of dicts or texts.

    Texts become the column `text`; None accepts only dicts. A dataset is anything with `to_pandas`, or with `column_names` and
    dicts to iterate over. `what` names the table in messages.
    """
    if isinstance(source, (str, os.PathLike)):
        table = read_table(source, text, limit)
    elif isinstance(source, Table):
        table = source
    elif isinstance(source, Mapping):
        raise InputError(
            f"{what} cannot be a mapping (its keys: {', '.join(map(repr, islice(source, 6)))}). "
            "Choose one split of a dictionary of datasets, or pass a list with one dict per row."
        )
    elif isinstance(source, pandas.DataFrame):
        table = _frame_table(source if limit is None else source.head(limit), what)
    elif isinstance(source, pyarrow.Table):
        table = arrow_table(source if limit is None else source.slice(0, limit), what)
    elif callable(getattr(source, "to_pandas", None)) and not _is_read_in_order(source, limit):
        frame = source.to_pandas()
        table = _frame_table(frame if limit is None else frame.head(limit), what)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        table = _listed(islice(source, limit), text, what)
    else:
        raise InputError(f"{what} must be a list, a DataFrame, a dataset or the path of a file; got {source!r:.80}.")
    if not len(table):
        raise InputError(f"{what} has no rows.")
    return table


def _is_read_in_order(source: Any, limit: int | None) -> bool:
    """Whether to iterate over a dataset: one that streams, or of which only the first rows are needed."""
    return hasattr(source, "column_names") and (limit is not None or not hasattr(source, "__len__"))


def _frame_table(frame: pandas.DataFrame, what: str) -> Table:
    names = list(frame.columns)
    check_names(what, names)
    return Table(what, {column: frame[column].tolist() for column in names}, numbered(len(frame)))


def _listed(source: Iterable[Any], text: str | None, what: str) -> Table:
    items = list(source)
    places = numbered(len(items))
    if text is not None and all(isinstance(item, str) for item in items):
        return Table(what, {text: items}, places)
    for item, place in zip(items, places, strict=True):
        if not isinstance(item, Mapping):
            kinds = "all dicts" if text is None else "all texts or all dicts"
            raise InputError(f"{what} must be {kinds}; {place} is {item!r:.80}.")
    return from_rows(what, items, places)
