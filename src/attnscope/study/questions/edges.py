"""An edge between two spans in every head, and contrasts of edges between prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from attnscope.analysis.edges import Edge, edge_of, edge_weights
from attnscope.errors import InputError
from attnscope.study.inputs import StudyInputs
from attnscope.study.result import Result
from attnscope.study.table import ResultTable
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.types import Observer


def edge(
    inputs: StudyInputs,
    query: Position,
    key: Position,
    *,
    stack: str | None,
    off_sink: bool,
    observer: Observer | None,
) -> Result:
    """Implement `Study.edge`."""
    table = ResultTable(("layer", "head"))
    for index, trace in inputs.traces(observer=observer):
        found = _edge(inputs, index, trace, query, key, stack)
        rank, among = (found.rank_off_sink, found.among_off_sink) if off_sink else (found.rank, found.among)
        table.add(
            index,
            _cells(found),
            {
                "weight": (found.weight_off_sink if off_sink else found.weight).numpy(),
                "score": np.where(np.isinf(found.score.numpy()), np.nan, found.score.numpy()),
                "rank": np.where(rank.numpy() == 0, np.nan, rank.numpy()),
                "among": among.numpy(),
            },
        )
    return Result(
        question="edge",
        sentence=f"Attention from {query!r:.60} to {key!r:.60}{_without_sinks(off_sink)}.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
    )


def contrast(
    inputs: StudyInputs,
    query: Position,
    key: Any,
    *,
    between: Any,
    stack: str | None,
    off_sink: bool,
    observer: Observer | None,
) -> Result:
    """Implement `Study.contrast`."""
    if not isinstance(key, (tuple, list)) or len(key) != 2:
        raise InputError(f"`key` must be two positions to compare, such as ('y', 'x'); got {key!r:.80}.")
    pairs = None if between is None else inputs.pairs(between)
    chosen = None if pairs is None else sorted({index for pair in pairs for index in (pair.first, pair.second)})
    table = ResultTable(("layer", "head"))
    for index, trace in inputs.traces(chosen, observer=observer):
        queries, keys = trace.tokens_for(stack)
        spans = [inputs.span(index, one, keys, "key") for one in key]
        weights = edge_weights(trace, inputs.span(index, query, queries, "query"), spans, stack, off_sink=off_sink)
        table.add(index, _heads(trace, stack), {"contrast": (weights[0].double() - weights[1].double()).numpy()})
    what = f"attention from {query!r:.60} to {key[0]!r:.60} minus to {key[1]!r:.60}"
    if pairs is None or between is None:
        frame, values = inputs.frame(table.indices), table.values()
        sentence = what.capitalize()
    else:
        frame = inputs.frame([pair.first for pair in pairs], [pair.second for pair in pairs])
        rows = [table.row(pair.first, "contrast") - table.row(pair.second, "contrast") for pair in pairs]
        values = {"contrast": np.stack(rows)}
        sentence = f"Double difference: {what}, for {between[1]!r:.40} minus for {between[2]!r:.40}"
    orders = sorted({str(order) for order in frame["order"] if order is not None})
    note = (
        f"Both orders of the nouns ({' and '.join(orders)}): the mean of each order, and of the two the one nearer 0."
        if len(orders) > 1
        else "One order of the nouns only: position alone can make such a difference. Make prompts with `swap`."
    )
    return Result(
        question="contrast",
        sentence=f"{sentence}{_without_sinks(off_sink)}.",
        inputs=frame,
        cells=table.cells,
        values=values,
        summaries={"contrast": "nearer zero"},
        signed=True,
        notes=(note,),
    )


def _edge(inputs: StudyInputs, index: int, trace: Trace, query: Position, key: Position, stack: str | None) -> Edge:
    queries, keys = trace.tokens_for(stack)
    return edge_of(trace, inputs.span(index, query, queries, "query"), inputs.span(index, key, keys, "key"), stack)


def _heads(trace: Trace, stack: str | None) -> pd.DataFrame:
    """The layer and number of every head of a stack."""
    records = enumerate(trace.traced_stack(stack).records)
    places = [(layer, head) for layer, one in records if one is not None for head in range(one.shape.heads)]
    return pd.DataFrame(places, columns=["layer", "head"])


def _cells(found: Edge) -> pd.DataFrame:
    return pd.DataFrame({"layer": found.layer.numpy(), "head": found.head.numpy()})


def _without_sinks(off_sink: bool) -> str:  # noqa: FBT001 - the argument's meaning is its name
    return ", without attention sinks" if off_sink else ""
