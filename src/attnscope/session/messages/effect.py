"""The `effect` request and its response: what a pass predicts, beside its baseline (docs/reference/wire.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypedDict

import torch

from attnscope.errors import InputError, UnsupportedError
from attnscope.model.effects.control_kinds import NO_EDITS, ControlKinds
from attnscope.model.effects.prediction_change import PredictionChange, is_single
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.metrics.metric import METRICS, Measurement
from attnscope.model.residual_stream.stream import last_tower
from attnscope.session.jobs import Job
from attnscope.session.messages.answer import TokenFields
from attnscope.session.messages.fields import answer_of, integer_of, optional_text_of
from attnscope.session.messages.states import short
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import StoredTrace
from attnscope.trace import Trace
from attnscope.trace.alignment import align

DEFAULT_TOP = 10
MAX_TOP = 100

NO_MODEL = "This trace has no model, so its prediction cannot be compared. Run the text again."

_ONLY_LABELS = "This model predicts labels; controls are measured on the prediction of a token."
_OTHER_BASELINE = "A control compares with the same input without edits, but the baseline here is another pass."


class LikelihoodFields(TypedDict):
    """How likely a pass finds a token or label. `value` is the logit; what is not finite is null."""

    probability: float | None
    rank: int
    value: float | None


class ChangeFields(TypedDict):
    """A token or label in both passes."""

    text: str
    id: int
    before: LikelihoodFields
    after: LikelihoodFields


class SumFields(TypedDict):
    """The probability of all tokens that are not listed, in both passes."""

    before: float
    after: float


class MetricNameFields(TypedDict):
    """What is measured. The `id` of several tokens is −1."""

    name: str
    formula: str
    answer: TokenFields
    foil: TokenFields | None


class MetricFields(MetricNameFields):
    """A metric of both passes. Numbers that are not finite are null."""

    before: float | None
    after: float | None
    error: float


class KindFields(TypedDict):
    """A control that can be asked for."""

    over: str
    draws: int
    all: bool
    words: str


class EffectFields(TypedDict):
    """The fields of an `effect` response."""

    trace: str
    baseline: str
    of: str
    position: int | None
    baseline_position: int | None
    tokens: list[ChangeFields]
    others: SumFields | None
    moved: float | None
    metric: MetricFields
    kinds: list[KindFields]
    no_control: str | None


@dataclass(frozen=True)
class EffectRequest:
    """An `effect` request: what to measure, where, and how many tokens of each pass to list."""

    answer: AnswerText | None
    foil: AnswerText | None
    metric: str | None
    position: int | None
    baseline_position: int | None
    top: int

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> EffectRequest:
        """Read a request. Raises `InputError` for an invalid field."""
        top = integer_of(body, "top")
        if top is not None and not 1 <= top <= MAX_TOP:
            raise InputError(f"`top`, the number of tokens of each pass, must be from 1 to {MAX_TOP}; got {top}.")
        return cls(
            answer_of(body, "answer"),
            answer_of(body, "foil"),
            optional_text_of(body, "metric"),
            integer_of(body, "position"),
            integer_of(body, "baseline_position"),
            DEFAULT_TOP if top is None else top,
        )

    def run(
        self, current: StoredTrace, baseline: StoredTrace, job: Job, passes: AbstractContextManager[None]
    ) -> EffectFields:
        """The fields of the response. `passes` is held while a model runs, which only several tokens need."""
        after_model, before_model = _model_of(current), _model_of(baseline)
        after = after_model.prediction(current.trace, self.position)
        before = before_model.prediction(baseline.trace, self._there(current.trace, baseline.trace))
        change = PredictionChange(before, after)
        asked = change.measurement(self.metric, self.answer, self.foil)
        if is_single(asked):
            values = change.measured(asked)
        else:
            with passes:
                values = self._of_several(asked, current, baseline, (before.position, after.position), job)
        listed = change.likely(self.top)
        kinds = _kinds(current, baseline) if after.of == "token" else ControlKinds((), _ONLY_LABELS)
        return {
            "trace": current.trace.id,
            "baseline": baseline.trace.id,
            "of": after.of,
            "position": after.position,
            "baseline_position": before.position,
            "tokens": [_change_fields(change, one) for one in listed],
            "others": _others(change, listed),
            "moved": None if change.moved is None else finite(change.moved),
            "metric": {
                **metric_name_fields(asked),
                "before": finite(values[0]),
                "after": finite(values[1]),
                "error": finite(change.rounding(asked, values)) or 0.0,
            },
            "kinds": [
                {"over": one.over, "draws": one.draws, "all": one.every, "words": one.words} for one in kinds.kinds
            ],
            "no_control": kinds.none,
        }

    def _there(self, trace: Trace, baseline: Trace) -> int | None:
        """The position of the baseline that corresponds to the one that was asked for."""
        if self.baseline_position is not None or self.position is None:
            return self.baseline_position
        here, there = (one.tokens_for(last_tower(one.stacks))[0] for one in (trace, baseline))
        if [token.id for token in here] == [token.id for token in there]:
            return self.position
        for span, other in align(here, there).pairs:
            if self.position in span and len(span) == len(other):
                return other[span.index(self.position)]
        raise InputError(
            f"Token {self.position} of the current pass corresponds to no single token of the baseline. Pass "
            "`baseline_position`, or another position."
        )

    def _of_several(
        self,
        asked: Measurement,
        current: StoredTrace,
        baseline: StoredTrace,
        positions: tuple[int | None, int | None],
        job: Job,
    ) -> tuple[float, float]:
        """The metric before and after, of an answer or a foil of several tokens: each pass with the tokens that it predicts."""
        options: dict[str, Any] = {
            "metric": asked.name,
            "answer": list(asked.answer.ids),
            "foil": None if asked.foil is None else list(asked.foil.ids),
            "top": 0,
            "observer": job,
        }
        after = _model_of(current).effect(current.trace, position=positions[1], **options)
        if is_unedited(current, baseline):
            return after.before, after.after
        before = _model_of(baseline).effect(baseline.trace, position=positions[0], **options)
        return before.after, after.after


def is_unedited(current: StoredTrace, baseline: StoredTrace) -> bool:
    """Whether the baseline is the same model's pass on the same input without edits."""
    one, other = current.trace, baseline.trace
    same_model = current.model is baseline.model or one.provenance.get("weights") == other.provenance.get("weights")
    sides = [{name: [token.id for token in side] for name, side in trace.sides.items()} for trace in (one, other)]
    same_inputs = one.inputs.keys() == other.inputs.keys() and all(
        torch.equal(value.cpu(), other.inputs[name].cpu()) for name, value in one.inputs.items()
    )
    edited = bool(other.provenance.get("edits"))
    return same_model and same_inputs and sides[0] == sides[1] and not edited


def metric_name_fields(asked: Measurement) -> MetricNameFields:
    """What is measured, as JSON."""
    return {
        "name": asked.name,
        "formula": METRICS[asked.name],
        "answer": short(asked.answer.text, asked.answer.id),
        "foil": None if asked.foil is None else short(asked.foil.text, asked.foil.id),
    }


def finite(number: float) -> float | None:
    """A number as JSON: null if it is not finite."""
    return number if math.isfinite(number) else None


def _model_of(stored: StoredTrace) -> ModelLike:
    if stored.model is None:
        raise UnsupportedError(NO_MODEL)
    return stored.model


def _kinds(current: StoredTrace, baseline: StoredTrace) -> ControlKinds:
    if not current.trace.provenance.get("edits"):
        return ControlKinds((), NO_EDITS)
    if not is_unedited(current, baseline):
        return ControlKinds((), _OTHER_BASELINE)
    return _model_of(current).control_kinds(current.trace)


def _change_fields(change: PredictionChange, ident: int) -> ChangeFields:
    before, after = (_likelihood(one, ident) for one in (change.before, change.after))
    return {"text": change.after.read(ident), "id": ident, "before": before, "after": after}


def _likelihood(prediction: Any, ident: int) -> LikelihoodFields:
    chances = prediction.probabilities
    return {
        "probability": None if chances is None else finite(float(chances[ident])),
        "rank": prediction.rank(ident),
        "value": finite(float(prediction.logits[ident])),
    }


def _others(change: PredictionChange, listed: list[int]) -> SumFields | None:
    if change.after.problem != "one":
        return None
    rest = torch.ones(len(change.after.logits), dtype=torch.bool)
    rest[listed] = False
    sums = [
        float(one.probabilities[rest].sum()) for one in (change.before, change.after) if one.probabilities is not None
    ]
    return {"before": sums[0], "after": sums[1]} if len(sums) == 2 and all(map(math.isfinite, sums)) else None
