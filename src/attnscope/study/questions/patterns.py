"""Patterns of attention over the prompts: how far heads follow one, and how much they differ between prompts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from attnscope.analysis.pattern_match import Match, match_of, pooled
from attnscope.analysis.patterns import Pattern
from attnscope.analysis.variability import variability_by_input
from attnscope.errors import InputError
from attnscope.study.inputs import StudyInputs
from attnscope.study.result import Result
from attnscope.study.table import ResultTable
from attnscope.trace import Trace
from attnscope.types import Observer


def match(
    inputs: StudyInputs,
    pattern: Pattern,
    *,
    stack: str | None,
    off_sink: bool,
    draws: int,
    seed: int,
    observer: Observer | None,
) -> Result:
    """Implement `Study.match`."""
    found: dict[int, Match] = {}
    skipped = 0
    for index, trace in inputs.traces(observer=observer):
        with inputs.naming(index):
            one = match_of(trace, pattern, stack, off_sink=off_sink, draws=draws, seed=seed)
        if float(one.rows.max()) > 0:
            found[index] = one
        else:
            skipped += 1
    if not found:
        raise InputError(f"The pattern “{pattern.name}” does not occur in any of the {len(inputs)} prompts.")
    total = pooled(list(found.values()))
    best = np.where(total.best_offset.numpy() < 0, np.nan, total.offset.numpy())
    table = ResultTable(("layer", "head"))
    for index, one in found.items():
        share, accuracy = _at_offset(one, best)
        table.add(
            index,
            pd.DataFrame({"layer": one.layer.numpy(), "head": one.head.numpy()}),
            {
                "share": one.share.numpy(),
                "shuffled": one.shuffled_shares.mean(0).numpy() if draws else np.full(len(best), np.nan),
                "offset_share": share,
                "accuracy": one.accuracy.numpy(),
                "offset_accuracy": accuracy,
                "offset": best,
                "rows": one.rows.numpy(),
            },
        )
    without = ", without attention sinks" if off_sink else ""
    notes = [
        "`shuffled`: the same with the pattern's keys shuffled within each row. `offset`: the fixed offset that is most often "
        "right over all prompts, with the head's attention on it."
    ]
    if skipped:
        notes.append(f"{skipped} of {len(inputs)} prompts do not have the pattern and were skipped.")
    return Result(
        question="match",
        sentence=f"Share of each head's attention that follows the pattern “{pattern.name}”{without}.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
        notes=tuple(notes),
    )


def variability(
    inputs: StudyInputs,
    *,
    stack: str | None,
    off_sink: bool,
    positions: int,
    observer: Observer | None,
) -> Result:
    """Implement `Study.variability`."""
    indices: list[int] = []

    def traces() -> Iterator[Trace]:
        for index, trace in inputs.traces(observer=observer):
            indices.append(index)
            yield trace

    found = variability_by_input(traces(), stack, off_sink=off_sink, positions=positions)
    table = ResultTable(("layer", "head"))
    cells = pd.DataFrame({"layer": found.layer.numpy(), "head": found.head.numpy()})
    for index, values in zip(indices, found.values.numpy(), strict=True):
        table.add(index, cells, {"variability": values})
    return Result(
        question="variability",
        sentence=f"Σ|α − ᾱ| / (2 Σ α) of each head over the first {found.positions} positions.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
        notes=("ᾱ is the mean over these very prompts, so intervals are somewhat too narrow for few prompts.",),
    )


def _at_offset(one: Match, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The attention on the best offset of all prompts, and how often it is right, in one prompt; NaN where it does not occur."""
    offsets = one.offsets.numpy()
    share, accuracy = np.full(len(best), np.nan), np.full(len(best), np.nan)
    for place, offset in enumerate(offsets):
        heads = best == offset
        followed, attended = one.offset_followed[:, place].numpy(), one.offset_attended[:, place].numpy()
        np.divide(followed, attended, out=share, where=heads & (attended > 0))
        np.divide(one.offset_hits[:, place].numpy(), one.words.numpy(), out=accuracy, where=heads)
    accuracy[np.isnan(accuracy) & ~np.isnan(best)] = 0.0
    return share, accuracy
