"""Measures and edges as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnscope.analysis.arguments import check_trace
from attnscope.analysis.edges import edge_of
from attnscope.analysis.measure import MEASURES, NAMES
from attnscope.analysis.overview import overview
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.validation import FLAG, check_arguments

if TYPE_CHECKING:
    import pandas


def measures() -> pandas.DataFrame:
    """All measures: name, title, unit, lowest and highest possible value, and a sentence on what it says about a head."""
    import pandas

    rows = [(one.name, one.title, one.unit, *one.range, one.sentence) for one in MEASURES]
    return pandas.DataFrame(rows, columns=["name", "title", "unit", "lowest", "highest", "sentence"])


@check_arguments(off_sink=FLAG)
def heads(trace: Trace, stack: str | None = None, *, off_sink: bool = False) -> pandas.DataFrame:
    """Every measure of every head: the columns `layer`, `head`, and one for each of `measures()`.

    With `off_sink`, attention sinks (the first token of a causal stack, special tokens) are dropped and each row is renormalized.
    NaN means that a measure isn't defined. Formulas: docs/reference/measures.md. Raises `InputError` for an unknown stack.
    """
    import pandas

    check_trace(trace, "heads")
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


def edge(trace: Trace, query: Position, key: Position, stack: str | None = None) -> pandas.DataFrame:
    """All heads by their attention from `query` to `key`, the largest weight first.

    `query` and `key` are an index, a word ("nurse"), ("the", 2) for its second occurrence, or a span of several tokens (a list
    of indices, or a word that the tokenizer splits). Over spans, the weight is the sum over the key tokens, averaged over the
    query tokens (Clark 2019).

    `rank` counts from 1 among the `among` keys that aren't masked, where a span of keys counts as one; it is 0 if the key is
    masked. `score` is -inf for a masked key, NaN if scores are unknown, and ln Σ exp(score) for a span of keys. The columns
    `…_off_sink` are without the attention sinks, with each row renormalized over the other keys (weight NaN and rank 0 if the key
    itself is a sink or nothing remains). Raises `InputError` for positions that don't exist and for ambiguous words.
    """
    import pandas

    check_trace(trace, "edge")
    found = edge_of(trace, query, key, stack)
    columns = (
        "layer", "head", "weight", "rank", "among", "score", "weight_off_sink", "rank_off_sink", "among_off_sink"
    )  # fmt: skip
    table = pandas.DataFrame({name: getattr(found, name).numpy() for name in columns})
    return table.sort_values("weight", ascending=False, kind="stable", ignore_index=True)
