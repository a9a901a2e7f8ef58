"""`Metric`: one number about the prediction of an answer, perhaps compared with a foil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.metrics.continuation import AnswerText, Continuation
from attnscope.trace.positions import Position

MetricName = Literal["logit", "probability", "log_probability", "ratio"]

METRICS: dict[MetricName, str] = {
    "logit": "logit(answer) − logit(foil)",
    "probability": "p(answer) − p(foil)",
    "log_probability": "ln p(answer) − ln p(foil)",
    "ratio": "p(answer) / p(foil)",
}
"""Every metric with its formula; without a foil, the part with the foil is omitted."""


@dataclass(frozen=True)
class Metric:
    """What to measure of a model's prediction.

    The probability of an answer of several tokens is Π p(token | what is before it), so its logarithm is a sum.

    Attributes:
        answer: A text of one or several tokens (`" Mary"`), a token id, or a list of ids. None: the most probable token.
        foil: What to compare the answer with, in the same form.
        name: "logit" (the default if answer and foil are one token each), "probability", "log_probability" (the default
            otherwise), or "ratio".
        position: The position that predicts the first token of the answer. Default: the last one, or the only mask token.
    """

    answer: AnswerText | None = None
    foil: AnswerText | None = None
    name: MetricName | None = None
    position: Position | None = None

    def __post_init__(self) -> None:
        if self.name is not None and self.name not in tuple(METRICS):
            raise InputError(f"`name` of Metric must be one of {', '.join(METRICS)}; got {self.name!r:.80}.")
        if self.foil is not None and self.answer is None:
            raise InputError("`foil` needs an `answer`; pass both.")
        if self.name == "ratio" and self.foil is None:
            raise InputError("The metric `ratio` is p(answer) / p(foil). Pass `foil`.")


@dataclass(frozen=True)
class Measurement:
    """A metric for one prompt: the tokens of the answer and the foil, and the position that predicts their first token."""

    name: MetricName
    answer: Continuation
    foil: Continuation | None
    position: int

    @classmethod
    def of(
        cls, name: str | None, answer: Continuation, foil: Continuation | None, position: int, *, default: MetricName
    ) -> Measurement:
        """A measurement by `name`; for None by `default`, or the log probability if that is "logit" and there are several tokens.

        Raises `InputError` for an unknown name, `ratio` without a foil, and `logit` of several tokens.
        """
        several = len(answer.tokens) > 1 or (foil is not None and len(foil.tokens) > 1)
        chosen = name if name is not None else "log_probability" if several and default == "logit" else default
        if chosen not in METRICS:
            raise InputError(f"`metric` must be one of {', '.join(METRICS)}; got {chosen!r:.80}.")
        if chosen == "ratio" and foil is None:
            raise InputError("The metric `ratio` is p(answer) / p(foil). Pass `foil`.")
        if chosen == "logit" and several:
            raise InputError(
                "Several tokens have no single logit. Use the metric `log_probability`, or an answer and a foil of one token."
            )
        return cls(chosen, answer, foil, position)

    def value(self, answer: LogScores, foil: LogScores | None) -> Float[Tensor, "row"]:
        """The metric of each row, in float64."""
        if self.name == "ratio":
            assert foil is not None
            return (answer.log_probability - foil.log_probability).exp()
        return _part(answer, self.name) - (0.0 if foil is None else _part(foil, self.name))


@dataclass(frozen=True, eq=False)
class LogScores:
    """How likely one continuation is after each row's prompt, in float64: its log probability and the sum of its logits."""

    log_probability: Float[Tensor, "row"]
    logit: Float[Tensor, "row"]


def log_scores(logits: Float[Tensor, "row position vocab"], ids: tuple[int, ...]) -> LogScores:
    """The scores of a continuation from the logits at the positions that predict its tokens, one position for each token."""
    exact = logits.double()
    at = torch.tensor(ids, device=exact.device)[None, :, None].expand(len(exact), -1, 1)
    each = exact.gather(-1, at)[..., 0]
    return LogScores((each - exact.logsumexp(-1)).sum(-1), each.sum(-1))


def _part(scores: LogScores, name: str) -> Tensor:
    if name == "logit":
        return scores.logit
    return scores.log_probability if name == "log_probability" else scores.log_probability.exp()
