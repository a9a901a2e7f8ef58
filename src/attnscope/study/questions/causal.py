"""Effects of edits, patching and mediation between paired prompts, and an answer through the layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.effects.control import Control
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.metrics.metric import METRICS, Metric
from attnscope.study.inputs import Pair, StudyInputs, progress_of
from attnscope.study.result import Ratio, Result
from attnscope.study.table import ResultTable
from attnscope.trace.positions import Position
from attnscope.trace.words import Span
from attnscope.types import Observer

_POSITIONS = ("query", "key", "position")


def effect(
    inputs: StudyInputs,
    edits: Sequence[Edit],
    metric: Metric | str | None,
    controls: int | None,
    *,
    answer: Any,
    foil: Any,
    over: str | None,
    seed: int,
    observer: Observer | None,
) -> Result:
    """Implement `Study.effect`."""
    measured = _metric(metric, answer, foil)
    watched = progress_of(observer, len(inputs))
    found: list[Control] = []
    for index in range(len(inputs)):
        encoded, placed = inputs.encoded(index), [_placed(inputs, index, edit) for edit in edits]
        filled = [inputs.filled(index, one) for one in (measured.answer, measured.foil)]
        asked = replace(measured, answer=filled[0], foil=filled[1])
        with inputs.naming(index):
            found.append(
                inputs.model.control(
                    encoded, placed, asked, draws=controls, over=over, seed=seed, observer=watched.within
                )
            )
        watched.advance()
    names = [list(one.where) for one in found]
    same = all(one == names[0] for one in names)
    table = ResultTable(("variant",))
    for index, one in enumerate(found):
        others = one.effects.numpy() if same else np.array([float(one.effects.mean())])
        cells = pd.DataFrame({"variant": ["edit", *(names[0] if same else ["mean of controls"])]})
        values = np.array([one.effect, *others])
        table.add(
            index, cells, {"effect": values, "before": np.full(len(values), one.before), "after": one.before + values}
        )
    result = Result(
        question="effect",
        sentence=f"Change of the {found[0].metric.replace('_', ' ')} by {len(edits)} edit{'s' if len(edits) != 1 else ''}.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
        signed=True,
    )
    return replace(result, notes=(_rank(result) if same else _rank_each(found),))


def patch(
    inputs: StudyInputs,
    between: Any,
    answer: Any,
    foil: Any,
    *,
    observer: Observer | None,
    **options: Any,
) -> Result:
    """Implement `Study.patch`."""
    asked = _PairQuestion(inputs, inputs.pairs(between), answer, foil, options)

    def patched(clean: ModelInputs, corrupted: ModelInputs, arguments: dict[str, Any]) -> _PairAnswer:
        sweep = inputs.model.patch(clean, corrupted, **arguments)
        found = sweep.frame()
        values = {name: found[name].to_numpy(float) for name in ("effect", "value")}
        return found, values | {"difference": np.full(len(found), sweep.clean - sweep.corrupted)}, sweep.notes

    table, notes = asked.answered(patched, observer)
    return Result(
        question="patch",
        sentence=f"Effect on the corrupted prompt ({between[0]} = {between[2]!r:.40}) of one activation from the clean one.",
        inputs=_pair_frame(inputs, asked.pairs),
        cells=table.cells,
        values=table.values(),
        summaries={"restored": Ratio("effect", "difference")},
        signed=True,
        notes=notes,
    )


def mediate(
    inputs: StudyInputs, between: Any, answer: Any, foil: Any, *, observer: Observer | None, **options: Any
) -> Result:
    """Implement `Study.mediate`."""
    asked = _PairQuestion(inputs, inputs.pairs(between), answer, foil, options)

    def mediated(clean: ModelInputs, corrupted: ModelInputs, arguments: dict[str, Any]) -> _PairAnswer:
        one = inputs.model.mediate(clean, corrupted, **arguments)
        found = one.frame()
        values = {name: found[f"log_{name}"].to_numpy(float) for name in ("indirect", "direct", "total")}
        return found, values, (*one.log_into_clean.notes, *one.log_into_corrupted.notes)

    table, notes = asked.answered(mediated, observer)
    return Result(
        question="mediate",
        sentence="Effects on ln(p(answer) / p(foil)): ln of the ratio after the change over the ratio before it.",
        inputs=_pair_frame(inputs, asked.pairs),
        cells=table.cells,
        values=table.values(),
        summaries={"share": Ratio("indirect", "total")},
        signed=True,
        notes=(*notes, "Effects of single heads need not sum to the total, and `share` may exceed 1."),
    )


def states(
    inputs: StudyInputs,
    answer: Any,
    foil: Any,
    *,
    position: Position | None,
    observer: Observer | None,
) -> Result:
    """Implement `Study.states`."""
    watched = progress_of(observer, len(inputs))
    table = ResultTable(("after",))
    for index in range(len(inputs)):
        ours, theirs = inputs.filled(index, answer), inputs.filled(index, foil)
        encoded = inputs.encoded(index)
        at = None if position is None else inputs.span(index, position, encoded.tokens)[-1]
        with inputs.naming(index):
            found = inputs.model.states(encoded, ours, theirs, position=at, observer=watched.within).answer_by_layer()
        cells = pd.DataFrame({"after": range(len(found.answer.rank))})
        values = {
            "log_probability": found.answer.log_probability.numpy(),
            "probability": found.answer.probability.numpy(),
            "rank": found.answer.rank.numpy().astype(float),
        }
        if found.foil is not None:
            values["foil_log_probability"] = found.foil.log_probability.numpy()
            values["difference"] = values["log_probability"] - values["foil_log_probability"]
        table.add(index, cells, values)
        watched.advance()
    return Result(
        question="states",
        sentence="The answer's log probability (nats), probability and rank by the logit lens after each number of layers.",
        inputs=inputs.frame(table.indices),
        cells=table.cells,
        values=table.values(),
    )


_PairAnswer = tuple[pd.DataFrame, Mapping[str, np.ndarray], Sequence[str]]
"""What a pair of prompts answers: a row for each cell, its values, and notes."""


@dataclass(frozen=True)
class _PairQuestion:
    """A question about every pair of prompts: its answers with labels filled in, and the options of `Model.patch`."""

    inputs: StudyInputs
    pairs: Sequence[Pair]
    answer: Any
    foil: Any
    options: Mapping[str, Any]

    def answered(
        self, answer: Callable[[ModelInputs, ModelInputs, dict[str, Any]], _PairAnswer], observer: Observer | None
    ) -> tuple[ResultTable, tuple[str, ...]]:
        """The values of every pair, and all notes."""
        watched = progress_of(observer, len(self.pairs))
        table, notes = _Pairs(), dict[str, None]()
        for at, pair in enumerate(self.pairs):
            arguments = _arguments(self.inputs, pair, self.answer, self.foil, self.options)
            first, second = self.inputs.encoded(pair.first), self.inputs.encoded(pair.second)
            with self.inputs.naming(pair.first):
                found, values, remarks = answer(first, second, arguments | {"observer": watched.within})
            table.add(at, _columns(found, self.options.get("positions")), values)
            notes.update(dict.fromkeys(remarks))
            watched.advance()
        return table, tuple(notes)


class _Pairs(ResultTable):
    """A table by pairs of prompts. Its cells are all columns of the first pair's."""

    def __init__(self) -> None:
        super().__init__(())

    def add(self, index: int, cells: pd.DataFrame, values: Any) -> None:
        """Add the values of a pair."""
        self._keys = [str(name) for name in cells.columns]
        super().add(index, cells, values)


def _metric(metric: Metric | str | None, answer: Any, foil: Any) -> Metric:
    if isinstance(metric, Metric):
        if answer is not None or foil is not None:
            raise InputError("Pass `answer` and `foil` within the `Metric`, or the name of a metric and these two.")
        return metric
    if metric is not None and metric not in METRICS:
        raise InputError(f"`metric` must be a Metric, or one of {', '.join(METRICS)}; got {metric!r:.80}.")
    return Metric(answer, foil, metric)  # pyright: ignore[reportArgumentType] - checked above


def _placed(inputs: StudyInputs, index: int, edit: Edit) -> Edit:
    """An edit whose positions that name slots are the slots' tokens in this prompt."""
    if not isinstance(edit, Edit):
        raise InputError(f"`edits` must be a list of edits from `attnscope.edits`; got {edit!r:.80}.")
    slots = inputs.prompts[index].slots
    changes: dict[str, Any] = {}
    for one in fields(edit):
        value = getattr(edit, one.name)
        if one.name in _POSITIONS and isinstance(value, str) and value in slots:
            changes[one.name] = _alone(inputs.span(index, value, inputs.encoded(index).tokens))
    return replace(edit, **changes) if changes else edit


def _alone(span: Span) -> int | Span:
    return span if len(span) > 1 else next(iter(span))


def _rank(result: Result) -> str:
    sizes = np.abs(np.nanmean(result.by_unit(), axis=0))
    rank, among = 1 + int((sizes[1:] >= sizes[0]).sum()), len(sizes)
    return f"By the size of its mean effect, the edit is rank {rank} of {among} (itself and its controls)."


def _rank_each(found: Sequence[Control]) -> str:
    ranks = [one.rank for one in found]
    return (
        f"The controls differ from prompt to prompt. The edit has the largest effect of its prompt's in {ranks.count(1)} of "
        f"{len(ranks)} prompts; each has {min(one.among for one in found)} to {max(one.among for one in found)} variants."
    )


def _arguments(inputs: StudyInputs, pair: Pair, answer: Any, foil: Any, options: Any) -> dict[str, Any]:
    """The arguments of `Model.patch` for a pair: answers with labels filled in, slots as spans of both prompts."""
    sides = [(index, inputs.encoded(index).tokens) for index in (pair.first, pair.second)]
    slots = [inputs.spans(index, tokens) for index, tokens in sides]
    shared = [name for name in slots[0] if name in slots[1]]
    found = dict(options) | {
        "answer": inputs.filled(pair.first, answer),
        "foil": inputs.filled(pair.first, foil),
    }
    anchors = {name: (slots[0][name], slots[1][name]) for name in shared}
    positions = options.get("positions")
    listed: Any = [positions] if isinstance(positions, str) else list(positions or ())
    named = any(isinstance(one, str) and one in anchors for one in listed)
    if anchors and (named or len(sides[0][1]) != len(sides[1][1])):
        found["spans"] = anchors
    return found


def _columns(found: pd.DataFrame, positions: Any) -> pd.DataFrame:
    """The cells of a sweep: layer, and head or position. Positions that were named keep their names."""
    names = [name for name in ("layer", "head", "group", "position") if name in found.columns]
    cells: Any = found[names].copy()
    if positions is not None and "position" in names:
        listed: Any = [positions] if isinstance(positions, str) else list(positions)
        cells["position"] = [str(listed[at % len(listed)]) for at in range(len(cells))]
    return cells


def _pair_frame(inputs: StudyInputs, pairs: Sequence[Pair]) -> pd.DataFrame:
    return inputs.frame([pair.first for pair in pairs], [pair.second for pair in pairs])
