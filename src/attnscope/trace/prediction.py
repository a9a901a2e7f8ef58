"""Predictions other than next tokens: masked tokens, labels, answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate of a prediction: a token, a label, a position or a span of the input.

    `id` is the id of the token or label, or the position; for a span, `id` is its first position and `last` its last.
    `probability` is None if the model assigns none (regression). `value` is the raw output: the logit, or for a span the sum of
    its start and end logits.
    """

    text: str
    id: int
    probability: float | None
    value: float
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction of a model, with the most likely choices first.

    `of` is what is predicted: `token` (the masked token at `position`), `label` (of the whole input), `token_label` (of the
    token at `position`), or `start`, `end` and `answer` (where the answer to a question starts and ends in the input, and the
    span between). `exclusive` is False if several labels can apply at once, each with its own probability.
    """

    of: Literal["token", "label", "token_label", "start", "end", "answer"]
    position: int | None
    choices: tuple[Choice, ...]
    exclusive: bool = True


def prediction_fields(prediction: Prediction) -> dict[str, Any]:
    """Convert a prediction to JSON values."""
    return asdict(prediction)
