"""`Effect`: what edits change in a metric and in the prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.appearance.edit_words import edits_sentence
from attnscope.capture import Recorder
from attnscope.edits import Edit
from attnscope.edits.plan import Plan, Planned
from attnscope.errors import InputError
from attnscope.model.effects.passes import Batch, Passes
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import MetricArguments, Question, question_of
from attnscope.model.metrics.answer_passes import ScoringPass
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.types import Observer
from attnscope.validation import is_whole

Tokens = list[tuple[str, int, float]]
"""The most probable tokens: text, id, probability."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What edits do to one prediction, from `Model.effect`.

    Attributes:
        edits: The edits.
        before: The metric without them.
        after: The metric with them.
        metric: The name of the metric.
        answer: The text that the metric measures, or None for a function of the logits.
        foil: The text that it is compared with, or None.
        position: The position whose prediction is measured.
        tokens_before: The most probable tokens at that position without the edits: text, id, probability.
        tokens_after: The same with the edits.
        warnings: Sentences about the edits, such as heads that share an edited key.
    """

    edits: tuple[Edit, ...]
    before: float
    after: float
    metric: str
    answer: str | None
    foil: str | None
    position: int
    tokens_before: Tokens = field(repr=False)
    tokens_after: Tokens = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def effect(self) -> float:
        """`after` − `before`, in the unit of the metric."""
        return self.after - self.before

    def __repr__(self) -> str:
        words = edits_sentence([one.as_json() for one in self.edits]) or "No edits."
        return f"<Effect {described(self)}: {self.before:.4g} → {self.after:.4g} ({self.effect:+.3g}). {words}>"


def described(measured: Any) -> str:
    """What was measured, such as `logit of ' Mary' − ' John'`."""
    if measured.answer is None:
        return str(measured.metric)
    foil = "" if measured.foil is None else f" against {measured.foil!r}"
    return f"{measured.metric} of {measured.answer!r}{foil}"


class EditedPasses:
    """Runs lists of edits on one prompt, many in a batch, and measures each. The unedited prompt runs once."""

    def __init__(self, prompt: Prompt, question: Question, observer: Observer | None = None) -> None:
        self.prompt, self.question = prompt, question
        self._observer = observer
        self.passes: Passes[tuple[Edit, ...]] = Passes(prompt, self.question, observer)

    def planned(self, edits: Sequence[Edit]) -> Plan:
        """Edits checked against the model and the prompt, with words replaced by positions."""
        return planned(self.prompt, edits)

    def run(self, variants: Sequence[tuple[Edit, ...]]) -> Iterator[Batch]:
        """Measure every variant: edits that name positions by index."""
        yield from self.passes.run(variants, self._recorder)

    def _recorder(self, _number: int, pairs: Sequence[tuple[int, tuple[Edit, ...]]]) -> Recorder:
        plan = planned(self.prompt, [Planned(edit, row) for row, edits in pairs for edit in edits])
        places = self.prompt.probed.architecture.places
        return Recorder(keeps=False, observer=self._observer, places=places, plan=plan)


def planned(prompt: Prompt, edits: Sequence[Edit | Planned]) -> Plan:
    """The plan of edits for a prompt. Raises `InputError` for one that does not fit."""
    made = prompt.generated
    sizes = (
        None if prompt.sides is None else {name: len(side) - made.get(name, 0) for name, side in prompt.sides.items()}
    )
    architecture, title = prompt.probed.architecture, prompt.probed.title
    found = plan_for(architecture, edits, title=title, sizes=sizes, further=made, sides=prompt.sides)
    return found or Plan((), {})


def effects_of(
    prompt: Prompt, variants: Any, arguments: MetricArguments, *, top: int = 5, observer: Observer | None = None
) -> list[Effect]:
    """Implement `Model.effects`: the effect of each list of edits."""
    if not isinstance(variants, Sequence) or isinstance(variants, (str, bytes)):
        raise InputError(f"`variants` must be a list of lists of edits; got {variants!r:.80}.")
    if not is_whole(top) or top < 0:
        raise InputError(f"`top` must be a whole number from 0; got {top!r:.80}.")
    prompt.check_editable()
    passes = EditedPasses(prompt, asked_of(prompt, arguments, observer), observer)
    lists = [listed(one) for one in cast("Sequence[Any]", variants)]
    plans = [passes.planned(one) for one in lists]
    before = top_tokens(prompt, passes.passes.prediction, top)
    answer, foil = texts_of(passes.question)
    return [
        Effect(
            edits=lists[index],
            before=passes.passes.before,
            after=float(batch.values[i]),
            metric=passes.question.name,
            answer=answer,
            foil=foil,
            position=passes.question.position,
            tokens_before=before,
            tokens_after=top_tokens(prompt, batch.predictions[i], top),
            warnings=(*plans[index].warnings, *batch.notes),
        )
        for batch in passes.run([plan.edits for plan in plans])
        for i, index in enumerate(range(batch.start, batch.start + len(batch.values)))
    ]


def asked_of(prompt: Prompt, arguments: MetricArguments, observer: Observer | None = None) -> Question:
    """The question of the arguments; without an answer, it is about the most probable token of the unedited prompt."""
    return question_of(prompt, arguments, lambda at: most_probable(prompt, at, observer))


def listed(edits: Any) -> tuple[Edit, ...]:
    """Edits as a tuple; a single one is a list of one. Raises `InputError` for anything else."""
    found: tuple[Any, ...] = (edits,) if isinstance(edits, Edit) else tuple(edits) if _is_list(edits) else (None,)
    if not all(isinstance(one, Edit) for one in found):
        raise InputError(f"`edits` must be a list of edits (see `attnscope.edits`); got {edits!r:.80}.")
    return found


def texts_of(question: Question) -> tuple[str | None, str | None]:
    """The texts of a question's answer and foil."""
    if question.measurement is None:
        return None, None
    foil = question.measurement.foil
    return question.measurement.answer.text, None if foil is None else foil.text


def most_probable(prompt: Prompt, position: int, observer: Observer | None = None) -> int:
    """The most probable token at a position of the unedited prompt."""
    trace = prompt.trace
    causal = prompt.architecture_of(prompt.last_stack).causal
    if trace is not None and trace.next_tokens and causal and position == len(prompt.predicting) - 1:
        return trace.next_tokens[0][1]
    only_there = ScoringPass(prompt.inputs, (position,), 0, {})
    asked = Question((only_there,), position, function=lambda _logits: 0.0)
    return int(Passes[None](prompt, asked, observer).prediction.argmax())


def top_tokens(prompt: Prompt, logits: Float[Tensor, "vocab"], top: int) -> Tokens:
    """The `top` most probable tokens."""
    found = torch.softmax(logits.float(), dim=-1).topk(min(top, len(logits)))
    pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return [(prompt.handle.preprocessor.read_output(ident).text, ident, probability) for ident, probability in pairs]


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))
