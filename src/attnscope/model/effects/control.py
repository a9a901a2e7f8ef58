"""`Control`: an effect beside those of the same edits made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.effects.effect import EditedPasses, asked_of, described, listed, texts_of
from attnscope.model.effects.elsewhere import Over, drawn_elsewhere, over_of
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import MetricArguments
from attnscope.model.metrics.answer import index_in
from attnscope.types import Observer
from attnscope.validation import is_whole

if TYPE_CHECKING:
    import pandas

OnResult = Callable[["Control"], None]
"""Called with the control so far, after each batch that adds to it."""


@dataclass(frozen=True, eq=False)
class Control:
    """The effect of edits, and the effects of the same edits made elsewhere (the controls), from `Model.control`.

    The rank says whether the edited place stands out among the controls. It is no p-value: the controls are not a random sample
    under a null hypothesis.

    Attributes:
        edits: The edits.
        over: What the controls vary: "heads", "keys", "pairs" or "vectors".
        before: The metric without edits.
        after: The metric with the edits.
        values: The metric with each control, float64 [control].
        variants: The edits of each control.
        where: Where each control makes its edits, such as "5.2".
        metric: The name of the metric.
        answer: The text that the metric measures, or None for a function of the logits.
        foil: The text that it is compared with, or None.
        position: The position whose prediction is measured.
        seed: The seed of the draws.
        error: The largest difference between an unedited pass in a batch and `before`; effects of this size are rounding.
        total: How many controls there will be; more than there are values only while they still run (`on_result`).
        tokens: The ids of the tokens whose probabilities were asked for.
        probabilities: The probability of each of these tokens at `position` with each control, float64 [control, token].
    """

    edits: tuple[Edit, ...]
    over: Over
    before: float
    after: float
    values: Float[Tensor, "control"]
    variants: tuple[tuple[Edit, ...], ...]
    where: tuple[str, ...]
    metric: str
    answer: str | None
    foil: str | None
    position: int
    seed: int
    error: float
    total: int
    tokens: tuple[int, ...] = ()
    probabilities: Float[Tensor, "control token"] = field(default_factory=lambda: torch.zeros(0, 0), repr=False)

    @property
    def effect(self) -> float:
        """`after` − `before`, in the unit of the metric."""
        return self.after - self.before

    @property
    def effects(self) -> Float[Tensor, "control"]:
        """The effect of each control, float64 [control]."""
        return self.values - self.before

    @property
    def among(self) -> int:
        """The number of effects that are ranked: that of the edits, and those of the controls."""
        return 1 + len(self.values)

    @property
    def rank(self) -> float:
        """The place of the edits by the size of the effect (its absolute value): 1 is the largest of all.

        Effects that differ by no more than `error` are ties, which share the mean of their ranks (2.5 for ranks 2 and 3).
        """
        larger = self.effects.abs() - abs(self.effect)
        tied = (larger.abs() <= self.error).sum()
        return 1 + int((larger > self.error).sum()) + float(tied) / 2

    @property
    def sentence(self) -> str:
        """The rank in words, such as "rank 1 of 9"."""
        return f"rank {self.rank:g} of {self.among}"

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row for the edits and one for each control: variant, where, value, effect, is_edit.

        `variant` is 0 for the edits, and then counts the controls from 1.
        """
        import pandas as pd

        values = [self.after, *self.values.tolist()]
        return pd.DataFrame(
            {
                "variant": range(self.among),
                "where": ["the edits", *self.where],
                "value": values,
                "effect": [value - self.before for value in values],
                "is_edit": [True] + [False] * len(self.values),
            }
        )

    def __repr__(self) -> str:
        return f"<Control over {self.over}: {described(self)}, effect {self.effect:+.3g}, {self.sentence}>"


@dataclass(frozen=True)
class ControlQuestion:
    """What to control for: the arguments of `Model.control`, not yet validated."""

    edits: Any
    over: str | None = None
    draws: int | None = None
    seed: int = 0
    tokens: Sequence[int] = ()


def control_of(
    prompt: Prompt,
    asked: ControlQuestion,
    arguments: MetricArguments,
    *,
    observer: Observer | None = None,
    on_result: OnResult | None = None,
) -> Control:
    """Implement `Model.control`. Raises `InputError` if there is no control, `CancelledError` if the observer cancels."""
    edits = listed(asked.edits)
    over = over_of(edits, asked.over)
    _check(asked)
    prompt.check_editable()
    passes = EditedPasses(prompt, asked_of(prompt, arguments, observer), observer)
    tokens = _tokens(asked.tokens, len(passes.passes.prediction))
    own = passes.planned(edits).edits
    variants = drawn_elsewhere(prompt, own, over, asked.draws, asked.seed, observer)
    answer, foil = texts_of(passes.question)

    def control(values: Sequence[float], chances: Sequence[Tensor]) -> Control:
        done = variants[: len(values) - 1]
        return Control(
            edits=edits,
            over=over,
            before=passes.passes.before,
            after=values[0],
            values=torch.tensor(values[1:], dtype=torch.float64),
            variants=tuple(one.edits for one in done),
            where=tuple(one.where for one in done),
            metric=passes.question.name,
            answer=answer,
            foil=foil,
            position=passes.question.position,
            seed=asked.seed,
            error=passes.passes.error,
            total=len(variants),
            tokens=tokens,
            probabilities=torch.cat([*chances])[1:],
        )

    values: list[float] = []
    chances: list[Tensor] = []
    for batch in passes.run([own, *(one.edits for one in variants)]):
        values += batch.values.tolist()
        chances.append(batch.predictions.double().softmax(-1)[:, list(tokens)])
        if on_result is not None:
            on_result(control(values, chances))
    return control(values, chances)


def _tokens(tokens: object, vocabulary: int) -> tuple[int, ...]:
    """The ids of tokens. Raises `InputError` for anything else."""
    listed_ids: Sequence[Any] = cast("Sequence[Any]", tokens) if isinstance(tokens, (list, tuple)) else [None]
    found = [index_in(one, vocabulary) for one in listed_ids]
    wrong = [one for one, index in zip(listed_ids, found, strict=True) if index is None]
    if wrong:
        got = tokens if wrong[0] is None else wrong[0]
        raise InputError(f"`tokens` must be a list of token ids from 0 to {vocabulary - 1:,}; got {got!r:.80}.")
    return tuple(index for index in found if index is not None)


def _check(asked: ControlQuestion) -> None:
    if asked.draws is not None and (not is_whole(asked.draws) or asked.draws < 1):
        raise InputError(f"`draws` must be a whole number from 1, or None; got {asked.draws!r:.80}.")
    if not is_whole(asked.seed) or not 0 <= asked.seed < 2**63:
        raise InputError(f"`seed` must be a whole number from 0; got {asked.seed!r:.80}.")
