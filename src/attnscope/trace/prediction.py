"""What a model predicts besides next tokens: masked tokens, labels, answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the things that a model may predict: a token, a label, a position or a stretch of the input.

    `id` is the token's or the label's id, or the position (of a stretch its first, and `last` its last). `probability` is
    None where the model gives none (a regression). `value` is the raw number: a logit; of a stretch the sum of its two.
    """

    text: str
    id: int
    probability: float | None
    value: float
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One thing that a model predicts, the likeliest choices first.

    `of` says what is chosen: `token` (the one behind the mask at `position`), `label` (of the whole input), `token_label` (of
    the token at `position`), `start`, `end` and `answer` (where in the input the answer to a question lies). `exclusive` is
    False where several labels may hold at once, each with a probability of its own.
    """

    of: Literal["token", "label", "token_label", "start", "end", "answer"]
    position: int | None
    choices: tuple[Choice, ...]
    exclusive: bool = True


def prediction_fields(prediction: Prediction) -> dict[str, Any]:
    """A prediction as JSON values."""
    return asdict(prediction)


def prediction_of(fields: Mapping[str, Any]) -> Prediction:
    """The prediction that `prediction_fields` wrote."""
    given: dict[str, Any] = {**fields, "choices": tuple(Choice(**one) for one in fields["choices"])}
    return Prediction(**given)
