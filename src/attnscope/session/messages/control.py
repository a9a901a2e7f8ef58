"""The `control` request and its responses: the edits of a pass made elsewhere, batch by batch (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from attnscope.errors import InputError
from attnscope.model.effects.alternatives import ALL_UP_TO
from attnscope.model.effects.control import Control
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.metrics.metric import METRICS
from attnscope.session.jobs import Job
from attnscope.session.limits import Limits
from attnscope.session.messages.effect import finite
from attnscope.session.messages.fields import answer_of, integer_of, integers_of, optional_text_of
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace

MAX_TOKENS = 100
MAX_DRAWS = 1000


class MeasuredFields(TypedDict):
    """What a control measures; the texts of the answer and the foil."""

    name: str
    formula: str
    answer: str
    foil: str | None


class ControlFields(TypedDict):
    """The fields of a `control` response: everything so far. Numbers that are not finite are null."""

    trace: str
    over: str
    metric: MeasuredFields
    position: int
    before: float | None
    after: float | None
    total: int
    where: list[str]
    values: list[float | None]
    tokens: list[list[float | None]]
    rank: float
    among: int
    sentence: str
    error: float
    seed: int


@dataclass(frozen=True)
class ControlRequest:
    """A `control` request: what to vary, what to measure, and the tokens whose probabilities are wanted."""

    over: str | None
    answer: AnswerText | None
    foil: AnswerText | None
    metric: str | None
    position: int | None
    draws: int | None
    seed: int
    tokens: list[int]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ControlRequest:
        """Read a request. Raises `InputError` for an invalid field."""
        seed, draws, tokens = integer_of(body, "seed"), integer_of(body, "draws"), body.get("tokens")
        if draws is not None and not 1 <= draws <= MAX_DRAWS:
            raise InputError(f"`draws` must be from 1 to {MAX_DRAWS:,}; got {draws}.")
        return cls(
            optional_text_of(body, "over"),
            answer_of(body, "answer"),
            answer_of(body, "foil"),
            optional_text_of(body, "metric"),
            integer_of(body, "position"),
            draws,
            0 if seed is None else seed,
            [] if tokens == [] else integers_of(body, "tokens", most=MAX_TOKENS) or [],
        )

    def check(self, trace: Trace, limits: Limits) -> None:
        """Raise an error before anything runs: `InputError` without edits, `TooLongError` for too many passes."""
        if not trace.provenance.get("edits"):
            raise InputError("This trace has no edits, so there is nothing to make elsewhere.")
        tokens = max(len(side) for side in trace.sides.values())
        limits.check_controls(ALL_UP_TO if self.draws is None else self.draws, tokens)

    def run(self, model: ModelLike, trace: Trace, job: Job) -> ControlFields:
        """Run the controls, and send everything so far after each batch. The fields of the last response."""

        def on_result(control: Control) -> None:
            job.send_partial("control", dict(control_fields(trace.id, control)))
            job.count(len(control.values), control.total, "controls")

        control = model.control(
            trace,
            over=self.over,
            metric=self.metric,
            answer=self.answer,
            foil=self.foil,
            position=self.position,
            draws=self.draws,
            seed=self.seed,
            tokens=self.tokens,
            observer=job.silent(),
            on_result=on_result,
        )
        return control_fields(trace.id, control)


def control_fields(trace: str, control: Control) -> ControlFields:
    """A control so far, as JSON."""
    return {
        "trace": trace,
        "over": control.over,
        "metric": {
            "name": control.metric,
            "formula": next(formula for name, formula in METRICS.items() if name == control.metric),
            "answer": control.answer or "",
            "foil": control.foil,
        },
        "position": control.position,
        "before": finite(control.before),
        "after": finite(control.after),
        "total": control.total,
        "where": list(control.where),
        "values": [finite(value) for value in control.values.tolist()],
        "tokens": [[finite(one) for one in row] for row in control.probabilities.tolist()],
        "rank": control.rank,
        "among": control.among,
        "sentence": control.sentence,
        "error": finite(control.error) or 0.0,
        "seed": control.seed,
    }
