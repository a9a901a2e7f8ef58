"""`Question`: what is measured of a prompt, as passes and a number computed from their logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.effects.prompt import Prompt
from attnscope.model.hf.module_info import is_encoder_decoder, target_vocabulary_size
from attnscope.model.metrics.answer import position_of
from attnscope.model.metrics.answer_passes import ScoringPass, scoring_passes, value_of
from attnscope.model.metrics.continuation import Continuation, continuation_of
from attnscope.model.metrics.metric import METRICS, Measurement, Metric
from attnscope.model.tracing.next_tokens import can_generate, predicts_at_end
from attnscope.trace.positions import Position

MetricFunction = Callable[[Float[Tensor, "token vocab"]], Any]
"""A metric of one's own: from the logits of a prompt to a number."""

MetricLike = Metric | str | MetricFunction


@dataclass(frozen=True, eq=False)
class Question:
    """A metric of one prompt. `passes` are the forward passes that it needs, `position` is where the prediction is read.

    Either `measurement` or `function` is set.
    """

    passes: tuple[ScoringPass, ...]
    position: int
    measurement: Measurement | None = None
    function: MetricFunction | None = None

    @property
    def name(self) -> str:
        """The name of the metric."""
        if self.measurement is not None:
            return self.measurement.name
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def values(self, logits: Sequence[Float[Tensor, "row position vocab"]]) -> Float[Tensor, "row"]:
        """The metric of every row, in float64, from the logits of every pass at its positions."""
        if self.measurement is not None:
            return value_of(self.measurement, self.passes, logits)
        assert self.function is not None
        return torch.stack([_number(self.function(row)) for row in logits[0]])

    def prediction(self, logits: Sequence[Float[Tensor, "row position vocab"]]) -> Float[Tensor, "row vocab"]:
        """The logits of every row at `position`."""
        return logits[0][:, self.passes[0].positions.index(self.position)]


@dataclass(frozen=True)
class MetricArguments:
    """The arguments of a measuring method: a metric, or the parts of one."""

    metric: MetricLike | None = None
    answer: Any = None
    foil: Any = None
    position: Position | None = None

    def checked(self) -> Metric | MetricFunction:
        """The metric or function that was passed. Raises `InputError` if the arguments do not fit together."""
        if isinstance(self.metric, Metric):
            if (self.answer, self.foil, self.position) != (None, None, None):
                raise InputError("This Metric has its own answer, foil and position. Pass either a Metric or these.")
            return self.metric
        if self.metric is None or isinstance(self.metric, str):
            if self.metric is not None and self.metric not in METRICS:
                raise InputError(f"`metric` must be one of {', '.join(METRICS)}; got {self.metric!r:.80}.")
            return Metric(self.answer, self.foil, self.metric, self.position)
        if not callable(self.metric):
            raise InputError(
                f"`metric` must be a Metric, one of {', '.join(METRICS)}, or a function of the logits; got {self.metric!r:.80}."
            )
        if self.answer is not None or self.foil is not None:
            raise InputError("A function of the logits chooses its tokens itself. Omit `answer` and `foil`.")
        return self.metric


def question_of(prompt: Prompt, arguments: MetricArguments, most_probable: Callable[[int], int]) -> Question:
    """The question that the arguments ask about a prompt.

    `most_probable` returns the most probable token at a position, for a metric without an answer. Raises `InputError` for an
    answer or a position that cannot be used.
    """
    metric = arguments.checked()
    if not isinstance(metric, Metric):
        return function_question(prompt, metric, _position(prompt, arguments.position, default=-1))
    position = _position(prompt, metric.position)
    answer = most_probable(position) if metric.answer is None else metric.answer
    foil = None if metric.foil is None else _continuation(prompt, metric.foil, "foil")
    measurement = Measurement.of(
        metric.name,
        _continuation(prompt, answer, "answer"),
        foil,
        position,
        default="log_probability" if foil is None else "logit",
    )
    return Question(scoring_passes(prompt.inputs, measurement), position, measurement=measurement)


def measured_alike(question: Question, prompt: Prompt) -> Question:
    """The same question about another prompt of the same length."""
    if question.measurement is None:
        assert question.function is not None
        return function_question(prompt, question.function, question.position)
    passes = scoring_passes(prompt.inputs, question.measurement)
    return Question(passes, question.position, measurement=question.measurement)


def function_question(prompt: Prompt, function: MetricFunction, position: int) -> Question:
    """A question whose answer is a function of all logits of a prompt."""
    everywhere = ScoringPass(prompt.inputs, tuple(range(len(prompt.predicting))), 0, {})
    return Question((everywhere,), position, function=function)


def _position(prompt: Prompt, at: object, default: int | None = None) -> int:
    """The position that predicts. `default` is that of a metric that does not depend on it; -1 is the last one."""
    tokens = prompt.predicting
    if at is None and default is not None:
        return default % len(tokens)
    module = prompt.probed.module
    at_end = prompt.architecture_of(prompt.last_stack).causal or (
        at is None and can_generate(module) and predicts_at_end(module, prompt.inputs)
    )
    return position_of(at, tokens, prompt.handle.tokenizer, causal=at_end)


def _continuation(prompt: Prompt, value: object, what: str) -> Continuation:
    module = prompt.probed.module
    return continuation_of(
        prompt.handle.tokenizer,
        value,
        what,
        target_vocabulary_size(module) or torch.iinfo(torch.int64).max,
        prompt.handle.preprocessor.read_output,
        target=is_encoder_decoder(module),
    )


def _number(value: Any) -> Tensor:
    """What a function of the logits returned, as a float64 scalar. Raises `InputError` for anything but one number."""
    try:
        found = value if isinstance(value, Tensor) else torch.as_tensor(value)
        return found.reshape(()).double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"The metric must return one number; got {value!r:.80}.") from error
