"""What a `Model` answers about its residual stream: `states`, `patch` and `mediate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from attnscope.edits import Edit
from attnscope.model.interpretation import Residual
from attnscope.model.patching.causal_mediation import Mediation
from attnscope.model.patching.sweep import Sweep
from attnscope.model.residual_stream.states import States
from attnscope.trace import Trace
from attnscope.types import Observer


class Interpreted(ABC):
    """A part of `Model`. Prompts are whatever `trace` takes, or traces that this model made."""

    @property
    @abstractmethod
    def residual(self) -> Residual:
        """The residual stream and what was found out about it."""

    @abstractmethod
    def residual_of(self, trace: Trace) -> Residual:
        """That of the part of the model that a trace is of (a tower, of a model of pictures and texts)."""

    def states(
        self,
        text: Any,
        answer: str | int | None = None,
        foil: str | int | None = None,
        *,
        pair: str | None = None,
        target: Any = None,
        position: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> States:
        """The residual stream of a pass: norms, the logit lens, and what each part adds to the logit of an answer.

        `answer` and `foil` are single tokens (a text such as `" Paris"`, or a token id); without an answer it is the most
        probable token. With a foil, shares are of logit(answer) − logit(foil). `position` is the one that predicts (the last,
        or the mask token of a masked model). `edits` are made in the pass. Of an encoder-decoder model the stream is the
        decoder's. Raises `RefusedError` where a part that was asked for is not known, `InputError`, `CancelledError`.
        """
        trace = self.residual.traced(text, pair, target, observer, edits)
        return self.residual_of(trace).states(trace, answer, foil, position, observer)

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        what: str = "head_output",
        by: str | None = None,
        metric: str | None = None,
        answer: str | int | None = None,
        foil: str | int | None = None,
        position: int | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        positions: Sequence[int] | None = None,
        target: Any = None,
        observer: Observer | None = None,
    ) -> Sweep:
        """Activation patching: run `corrupted` again and again, each time with one activation as it is in `clean`.

        Activations are *taken from the clean prompt* and *put into the corrupted prompt's run*. `what` is `head_output` (Σ α v of
        a head), `attention` (its weights, with the corrupted run's own values), `residual` (the stream after a layer) or `mlp`
        (what a layer's MLP adds). `by` is the axis beside layers: `head` (the default for heads), `position` (for the stream)
        or `layer` (all at once, one number a layer). `layers`, `heads` and `positions` restrict the sweep; what is no axis is
        patched together (all positions of a head, say).

        `metric`: `logit` (the default with a foil: logit(answer) − logit(foil)), `probability` (without), `log_probability`
        or `ratio` (p(answer)/p(foil)). The answer is by default the clean prompt's most probable token. Both prompts need as
        many tokens; `target` is what the decoder of an encoder-decoder model reads in both. Raises `InputError`,
        `RefusedError` where a part is not known, `CancelledError`.
        """
        residual = self.residual
        source = residual.traced(clean, None, target, observer)
        return self.residual_of(source).patch(
            source,
            residual.traced(corrupted, None, target, observer),
            what=what,
            by=by,
            metric=metric,
            answer=answer,
            foil=foil,
            position=position,
            stack=stack,
            layers=layers,
            heads=heads,
            positions=positions,
            observer=observer,
        )

    def mediate(
        self,
        base: Any,
        swap: Any,
        answer: str | int,
        foil: str | int,
        *,
        what: str = "attention",
        by: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        observer: Observer | None = None,
    ) -> Mediation:
        """Causal mediation analysis (Vig et al. 2020) of every head: total, indirect and direct effect.

        `base` is a prompt, `swap` the same with a word swapped, y = p(answer) / p(foil). `what` and `by` as in `patch`.
        """
        residual = self.residual
        first, second = (residual.traced(one, None, None, observer) for one in (base, swap))
        return self.residual_of(first).mediate(
            first, second, answer, foil, what=what, by=by, layers=layers, heads=heads, observer=observer
        )
