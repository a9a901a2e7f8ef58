"""Distance decay over the prompts: of all heads, and of the pairs of dimensions of one head."""

from __future__ import annotations

import numpy as np
import pandas as pd

from attnscope import analysis
from attnscope.study.inputs import StudyInputs
from attnscope.study.result import Ratio, Result
from attnscope.study.table import ResultTable
from attnscope.types import Observer


def decays(inputs: StudyInputs, *, stack: str | None, furthest: int | None, observer: Observer | None) -> Result:
    """Implement `Study.decays`."""
    table = ResultTable(("layer", "head"))
    for index, trace in inputs.traces(observer=observer):
        with inputs.naming(index):
            found = analysis.decays(trace, stack, furthest=furthest).sort_values(["layer", "head"])
        table.add(index, found, {name: found[name].to_numpy(float) for name in ("slope", "spearman")})
    return Result(
        question="decays",
        sentence="Slope of the mean score over distance, per token; below 0, the score falls with distance.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
        signed=True,
    )


def decay(
    inputs: StudyInputs,
    layer: int,
    head: int,
    *,
    stack: str | None,
    furthest: int | None,
    observer: Observer | None,
) -> Result:
    """Implement `Study.decay`."""
    table = ResultTable(("pair", "dims"))
    for index, trace in inputs.traces(observer=observer):
        with inputs.naming(index):
            found = analysis.decay(trace, layer, head, stack, furthest=furthest)
        cells = pd.DataFrame(
            {"pair": range(len(found.units)), "dims": ["+".join(map(str, unit)) for unit in found.units]}
        )
        slopes = found.slopes.double().numpy()
        table.add(index, cells, {"slope": slopes, "head_slope": np.full(len(slopes), found.slope)})
    return Result(
        question="decay",
        sentence=f"How much each pair of dimensions of q and k contributes to the slope of head {layer}.{head} over distance.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
        summaries={"share": Ratio("slope", "head_slope")},
        signed=True,
        notes=("`share` is Σ slope of the pair / Σ slope of the head over inputs; it may be below 0 and above 1.",),
    )
