"""The `overview` and `edge` responses: the measures and thumbnails of all heads, and one edge in all heads.

See docs/reference/wire.md.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NotRequired, TypedDict

from attnscope.analysis import MEASURES
from attnscope.analysis.edges import Edge
from attnscope.analysis.overview import LayerOverview
from attnscope.session.messages.answer import Arrays

EDGE_COLUMNS = (
    "layer", "head", "weight", "weight_off_sink", "score", "rank", "rank_off_sink", "among", "among_off_sink"
)  # fmt: skip


class PartFields(TypedDict):
    """The queries and keys that a response covers, each as [start, end) positions."""

    queries: list[int]
    keys: list[int]


class OverviewFields(TypedDict):
    """The fields of an `overview` response, apart from its trace and stack."""

    layer: int
    heads: int
    rows: int
    columns: int
    pooled: list[int]
    part: PartFields
    measures: list[str]
    unchanged: NotRequired[bool]
    largest: NotRequired[float]


def measure_fields() -> list[dict[str, Any]]:
    """The description of each measure, for the page."""
    return [{**asdict(measure), "range": list(measure.range)} for measure in MEASURES]


def overview_message(one: LayerOverview) -> tuple[OverviewFields, Arrays]:
    """The fields and tensors of an `overview` response."""
    heads, rows, columns = one.thumbnails.shape
    fields: OverviewFields = {
        "layer": one.layer,
        "heads": heads,
        "rows": rows,
        "columns": columns,
        "pooled": list(one.pooled),
        "part": {"queries": list(one.part.queries), "keys": list(one.part.keys)},
        "measures": [measure.name for measure in MEASURES],
    }
    arrays = {
        "thumbnails": one.thumbnails.numpy(),
        "measures": one.measures.numpy(),
        "measures_off_sink": one.measures_off_sink.numpy(),
    }
    if one.difference is not None:
        fields["unchanged"], fields["largest"] = one.difference.unchanged, one.difference.largest
        if one.difference.thumbnails is not None:
            arrays["difference"] = one.difference.thumbnails.numpy()
    return fields, arrays


def edge_arrays(edge: Edge) -> Arrays:
    """The tensors of an `edge` response."""
    return {name: getattr(edge, name).numpy() for name in EDGE_COLUMNS}
