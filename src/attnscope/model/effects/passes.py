"""`Passes`: many changed passes of one prompt, run as the rows of a few batches.

Row 0 of every batch is not changed. It has to reproduce the prompt's own logits; where it doesn't (a model that computes other
numbers in a batch), the variants run one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.capture import Recorder, capture_on, pass_options, prepared_for_capture
from attnscope.errors import UnsupportedError
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import Question
from attnscope.model.hf.hidden_states import relative
from attnscope.model.metrics.answer_passes import ScoringPass
from attnscope.types import Observer

TOKENS_AT_ONCE = 2048
"""A batch holds at most this many tokens (and at least one changed row)."""

LOGITS_AT_ONCE = 2**26
"""The logits of a batch that are kept are at most this many (of at least one changed row)."""

V = TypeVar("V")

Applied = Callable[[int, Sequence[tuple[int, V]]], Recorder]
"""Makes the recorder that changes a pass: from the number of the scoring pass, and the variants with their rows."""


@dataclass(frozen=True, eq=False)
class Batch:
    """The results of variants `start`, `start + 1`, …: their metric, and the logits that predict at the question's position."""

    start: int
    values: Float[Tensor, "variant"]
    predictions: Float[Tensor, "variant vocab"]
    notes: tuple[str, ...] = ()


class Passes(Generic[V]):
    """Runs changed passes of one prompt. Making it runs the unchanged passes.

    Attributes:
        before: The metric of the unchanged prompt.
        prediction: Its logits [vocab] at the question's position.
        error: The largest difference so far between the metric of an unchanged row of a batch and `before`.
    """

    def __init__(self, prompt: Prompt, question: Question, observer: Observer | None = None) -> None:
        self._prompt, self._question, self._observer = prompt, question, observer
        with prepared_for_capture(prompt.probed.module) as clone:
            self._logits = [self._run(clone, one, 1, self._unchanged())[0] for one in question.passes]
        self.before = float(question.values(self._logits)[0])
        self.prediction = question.prediction(self._logits)[0]
        self.error = 0.0
        self._alone = False

    def run(self, variants: Sequence[V], applied: Applied[V]) -> Iterator[Batch]:
        """Run every variant, in batches. Raises `CancelledError` if the observer cancels."""
        with prepared_for_capture(self._prompt.probed.module) as clone:
            done = 0
            while done < len(variants):
                chosen = variants[done : done + (1 if self._alone or len(variants) == 1 else self._rows_at_once)]
                batch = self._batch(clone, done, chosen, applied)
                if batch is None:
                    self._alone = True
                    continue
                done += len(chosen)
                if self._observer is not None:
                    self._observer.layer(done, len(variants))
                yield batch

    @property
    def _rows_at_once(self) -> int:
        longest = max(
            value.shape[1] for one in self._question.passes for value in one.inputs.values() if value.ndim > 1
        )
        logits = max(one.numel() for one in self._logits)
        return max(1, min(TOKENS_AT_ONCE // longest - 1, LOGITS_AT_ONCE // logits))

    def _batch(self, clone: nn.Module, start: int, variants: Sequence[V], applied: Applied[V]) -> Batch | None:
        """The results of a batch; None if its unchanged row shows that a batch computes something else."""
        alone = len(variants) == 1
        pairs = [(row if not alone else row - 1, one) for row, one in enumerate(variants, start=1)]
        found: list[Tensor] = []
        notes: dict[str, None] = {}
        for number, one in enumerate(self._question.passes):
            logits, its_notes = self._run(clone, one, 1 if alone else len(variants) + 1, applied(number, pairs))
            found.append(logits)
            notes.update(dict.fromkeys(its_notes if alone else ()))
            if not alone and not relative(self._logits[number][0], logits[0]) <= self._prompt.probed.tolerance:
                return None
        values, predictions = self._question.values(found), self._question.prediction(found)
        if not alone:
            self.error = max(self.error, abs(float(values[0]) - self.before))
            values, predictions = values[1:], predictions[1:]
        return Batch(start, values.detach(), predictions, tuple(notes))

    def _unchanged(self) -> Recorder:
        return Recorder(keeps=False, observer=self._observer, places=self._prompt.probed.architecture.places)

    def _run(self, clone: nn.Module, one: ScoringPass, rows: int, recorder: Recorder) -> tuple[Tensor, tuple[str, ...]]:
        captured = capture_on(clone, batched(one.inputs, rows), recorder, **only(one))
        return logits_of(clone, one, captured.output).float().cpu(), captured.notes


def only(one: ScoringPass) -> dict[str, Tensor]:
    """The argument that makes a model compute no other logits than those of a scoring pass, if it accepts it."""
    device = next(iter(one.inputs.values())).device
    return {"logits_to_keep": torch.tensor(one.positions, device=device)}


def logits_of(clone: nn.Module, one: ScoringPass, output: object) -> Float[Tensor, "row position vocab"]:
    """The logits of a pass at the positions of its scoring pass. Raises `UnsupportedError` if the model predicts no tokens."""
    logits = getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 3:
        raise UnsupportedError(f"{type(clone).__name__} predicts no tokens, so there is no prediction to measure.")
    return (
        logits if pass_options(clone, **only(one)).get("logits_to_keep") is not None else logits[:, list(one.positions)]
    )


def batched(inputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """The inputs of a batch of one, for `rows` rows. Patches of several images in one input are repeated for each row."""
    return {name: _repeated(value, rows) for name, value in inputs.items()}


def _repeated(value: Tensor, rows: int) -> Tensor:
    if value.ndim > 1 and value.shape[0] > 1:
        return value.repeat(rows, *[1] * (value.ndim - 1))
    return value.expand(rows, *value.shape[1:]).contiguous() if value.ndim else value
