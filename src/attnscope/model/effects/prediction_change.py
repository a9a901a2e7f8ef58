"""`PredictionChange`: two predictions of the same tokens or labels, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from attnscope.errors import InputError
from attnscope.model.effects.full_prediction import FullPrediction
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.metrics.metric import Measurement, MetricName, log_scores


@dataclass(frozen=True, eq=False)
class PredictionChange:
    """A prediction `before` and `after`. Raises `InputError` unless both are about the same tokens or labels."""

    before: FullPrediction
    after: FullPrediction

    def __post_init__(self) -> None:
        before, after = self.before, self.after
        if before.of != after.of or before.problem != after.problem:
            raise InputError(
                f"The baseline predicts a {_words(before)} and the current pass a {_words(after)}, so they cannot be compared."
            )
        what = "labels" if after.of != "token" else "tokens"
        if len(before.logits) != len(after.logits):
            raise InputError(
                f"The baseline predicts one of {len(before.logits):,} {what} and the current pass one of {len(after.logits):,}, "
                "so they cannot be compared. Compare models with the same vocabulary."
            )
        different = next((one for one in self.likely(5) if before.read(one) != after.read(one)), None)
        if different is not None:
            raise InputError(
                f"In the baseline, id {different} is {before.read(different)!r:.40}, and in the current pass "
                f"{after.read(different)!r:.40}, so they cannot be compared. Compare models with the same vocabulary."
            )

    def likely(self, top: int) -> list[int]:
        """The `top` most probable choices of both predictions, those with the largest logit after the change first."""
        every = {*self.before.top(top), *self.after.top(top)}
        return sorted(every, key=lambda one: (-float(self.after.logits[one]), one))

    @cached_property
    def moved(self) -> float | None:
        """The total variation distance: half the sum of the changes of all probabilities. None unless they sum to 1."""
        if self.after.problem != "one":
            return None
        before, after = self.before.probabilities, self.after.probabilities
        assert before is not None and after is not None
        return float((after - before).abs().sum() / 2)

    def measurement(self, metric: str | None, answer: AnswerText | None, foil: AnswerText | None) -> Measurement:
        """What to measure. Without an answer: the two choices with the largest logits before the change.

        Raises `InputError` for an answer, a foil or a metric that cannot be used.
        """
        if answer is None and foil is not None:
            raise InputError("`foil` needs an `answer`; pass both.")
        if answer is None:
            best = self.before.top(2)
            answer, foil = best[0], best[1] if len(best) > 1 else None
        labels = self.after.of != "token"
        if labels and self.after.problem != "one" and metric not in (None, "logit"):
            raise InputError(f"The metric {metric!r:.40} needs labels that exclude each other. Use `logit`.")
        default: MetricName = "logit" if labels or foil is not None else "log_probability"
        found = self.after.find(answer, "answer")
        against = None if foil is None else self.after.find(foil, "foil")
        position = -1 if self.after.position is None else self.after.position
        return Measurement.of(metric, found, against, position, default=default)

    def measured(self, measurement: Measurement) -> tuple[float, float]:
        """The metric before and after, for an answer and a foil of one token (or label) each."""
        return _value(self.before, measurement), _value(self.after, measurement)

    def rounding(self, measurement: Measurement, values: tuple[float, float]) -> float:
        """The size of a change of the metric that is rounding of the logits. `values` are the metric before and after."""
        unit = max(self.before.rounding, self.after.rounding)
        if measurement.name == "probability":
            return unit
        if measurement.name == "ratio":
            return unit * max(map(abs, values))
        foil = measurement.foil.tokens if measurement.foil is not None else ()
        return unit * max(len(measurement.answer.tokens), len(foil))


def is_single(measurement: Measurement) -> bool:
    """Whether the answer and the foil of a measurement are one token each, so that the logits of one position suffice."""
    return len(measurement.answer.tokens) == 1 and (measurement.foil is None or len(measurement.foil.tokens) == 1)


def _value(prediction: FullPrediction, measurement: Measurement) -> float:
    row = prediction.logits.reshape(1, 1, -1)
    foil = None if measurement.foil is None else log_scores(row, measurement.foil.ids)
    return float(measurement.value(log_scores(row, measurement.answer.ids), foil)[0])


def _words(prediction: FullPrediction) -> str:
    if prediction.of == "token":
        return "token"
    number = {"one": "label", "several": "set of labels", "number": "number"}[prediction.problem]
    return number if prediction.of == "label" else f"{number} of a token"
