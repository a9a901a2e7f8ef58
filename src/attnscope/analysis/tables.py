"""Measures and edges as pandas tables, for notebooks and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnscope.analysis.edges import edge_of
from attnscope.analysis.measure import MEASURES, NAMES
from attnscope.analysis.overview import overview
from attnscope.trace import Trace

if TYPE_CHECKING:
    import pandas


def measures() -> pandas.DataFrame:
    """All measures: name, title, unit, lowest and highest possible value, and what each says of a head."""
    import pandas

    rows = [(one.name, one.title, one.unit, *one.range, one.sentence) for one in MEASURES]
    return pandas.DataFrame(rows, columns=["name", "title", "unit", "lowest", "highest", "sentence"])


def heads(trace: Trace, stack: str | None = None, *, off_sink: bool = False) -> pandas.DataFrame:
    """Every measure of every head: the columns `layer`, `head`, and one for each of `measures()`.

    With `off_sink` the sinks (the first token of a causal stack, special tokens) are left out and each row brought back to a
    sum of 1. NaN where a measure is not defined. Formulas: docs/reference/measures.md.
    Raises `InputError` for a stack that is not there.
    """
    import pandas

    tables: list[pandas.DataFrame] = []
    for one in overview(trace, stack, size=1):
        values = one.measures_off_sink if off_sink else one.measures
        table = pandas.DataFrame(values.T.double().numpy(), columns=list(NAMES))
        table.insert(0, "layer", one.layer)
        table.insert(1, "head", range(len(table)))
        tables.append(table)
    if not tables:
        return pandas.DataFrame(columns=["layer", "head", *NAMES])
    return pandas.concat(tables, ignore_index=True)


def edge(trace: Trace, query: int, key: int, stack: str | None = None) -> pandas.DataFrame:
    """All heads by their weight from token `query` to token `key`, the largest first.

    `rank` counts from 1 among the `among` keys that the query may look at; 0 where the key is none of them. `score` is -inf
    there, and NaN where scores are unknown. The columns `…_off_sink` leave the sinks out and bring the row back to a sum of 1
    (weight NaN, rank 0 where the key itself is a sink or nothing is left). Raises `InputError` for positions that are not there.
    """
    import pandas

    found = edge_of(trace, query, key, stack)
    columns = (
        "layer", "head", "weight", "rank", "among", "score", "weight_off_sink", "rank_off_sink", "among_off_sink"
    )  # fmt: skip
    table = pandas.DataFrame({name: getattr(found, name).numpy() for name in columns})
    return table.sort_values("weight", ascending=False, kind="stable", ignore_index=True)
