"""Every measure of every head, over the prompts."""

from __future__ import annotations

from typing import Any

import numpy as np

from attnscope import analysis
from attnscope.errors import InputError
from attnscope.study.inputs import StudyInputs
from attnscope.study.result import Result
from attnscope.study.table import ResultTable
from attnscope.types import Observer


def heads(
    inputs: StudyInputs,
    by: str | None,
    *,
    stack: str | None,
    off_sink: bool,
    observer: Observer | None,
) -> Result:
    """Implement `Study.heads`."""
    names = [measure.name for measure in analysis.MEASURES]
    if by is not None and by not in names:
        raise InputError(f"`by` must be one of {', '.join(names)}; got {by!r:.80}.")
    table = ResultTable(("layer", "head"))
    for index, trace in inputs.traces(observer=observer):
        with inputs.naming(index):
            found: Any = analysis.heads(trace, stack, off_sink=off_sink)
        table.add(index, found[["layer", "head"]], {name: found[name].to_numpy(float) for name in names})
    first = [] if by is None else [by]
    values = table.values([*first, *(name for name in names if name not in first)])
    known = {name: one for name, one in values.items() if name == by or not bool(np.isnan(one).all())}
    if not known:
        raise InputError("No measure is defined for these prompts. Use longer texts.")
    without = ", without attention sinks and with each row renormalized" if off_sink else ""
    return Result(
        question="heads",
        sentence=f"Measures of each head's attention{without}.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=known,
    )
