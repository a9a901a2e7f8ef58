"""The model interface that a session needs. `attnscope.Model` and `attnscope.testing.FakeModel` implement it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, overload

from torch import Tensor

from attnscope.edits import Edit
from attnscope.model.effects.control import Control, OnResult
from attnscope.model.effects.control_kinds import ControlKinds
from attnscope.model.effects.effect import Effect
from attnscope.model.effects.full_prediction import FullPrediction
from attnscope.model.generation.result import Generation, OnToken
from attnscope.model.inputs.chat import TextOrChat
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.patching.sweep import Sweep
from attnscope.model.residual_stream.states import States
from attnscope.model.tracing.changes import Changes
from attnscope.trace import Certificate, Trace
from attnscope.types import Observer, Stack


class ModelLike(Protocol):
    """A loaded model that can be traced."""

    @property
    def name(self) -> str:
        """The short name that selects this model."""
        ...

    @property
    def title(self) -> str:
        """The name that the user sees."""
        ...

    @property
    def kind(self) -> str:
        """`decoder`, `encoder` or `encoder-decoder`."""
        ...

    @property
    def dtype(self) -> str:
        """The dtype that it computes in, such as `float32`."""
        ...

    @property
    def quantization(self) -> str | None:
        """How its weights were stored, if with less precision than `dtype`; else None."""
        ...

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        ...

    @property
    def takes(self) -> tuple[str, ...]:
        """The inputs it accepts: `text`, `image`, or both."""
        ...

    @property
    def stacks(self) -> Mapping[str, Stack]:
        """The sizes of its attention layers, by stack."""
        ...

    @property
    def chat(self) -> bool:
        """Whether it accepts chat messages."""
        ...

    @property
    def adapter(self) -> bool:
        """Whether it has an adapter, so that there is a `without_adapter`."""
        ...

    def without_adapter(self) -> ModelLike:
        """The same model with its adapters off."""
        ...

    def encode(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: str | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        continue_final_message: bool = False,
        observer: Observer | None = None,
    ) -> ModelInputs:
        """Convert a text, a chat or an image to model inputs, truncated to `max_tokens`, without running the model.

        The observer can cancel the rendering of a chat.
        """
        ...

    def count_tokens(self, text: ModelInputs) -> int:
        """The number of positions in a trace of these inputs, on its longer side.

        Raises `TooLongError` if the model does not support that many positions.
        """
        ...

    @overload
    def trace(
        self, text: ModelInputs | Mapping[str, Tensor], *, edits: Sequence[Edit] = (), observer: Observer | None = None
    ) -> Trace: ...
    @overload
    def trace(
        self, text: str, pair: str | None = None, *, target: str | None = None, edits: Sequence[Edit] = ()
    ) -> Trace: ...
    @overload
    def trace(
        self,
        text: Sequence[Mapping[str, Any]],
        *,
        target: str | None = None,
        continue_final_message: bool = False,
        edits: Sequence[Edit] = (),
    ) -> Trace: ...
    def trace(self, text: Any, *_args: Any, **_options: Any) -> Trace:
        """Run one forward pass. Without a target, an encoder-decoder model generates its own."""
        ...

    def generate(
        self,
        text: TextOrChat | ModelInputs | Trace,
        max_new_tokens: int = 20,
        edits: Sequence[Edit] | None = None,
        *,
        target: str | None = None,
        continue_final_message: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """Continue a text or a trace (by default with its edits), and return the continuation with the trace of that run."""
        ...

    def states(
        self,
        text: Any,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        *,
        position: int | None = None,
        observer: Observer | None = None,
    ) -> States:
        """Compute the residual stream of a text, or of a trace that this model made."""
        ...

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        what: str = "output",
        by: str | None = None,
        metric: str | None = None,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: int | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        positions: Sequence[int] | None = None,
        unequal: str = "last",
        target: Any = None,
        observer: Observer | None = None,
    ) -> Sweep:
        """Run an activation patching sweep from one prompt into another."""
        ...

    def prediction(self, trace: Trace, position: int | None = None) -> FullPrediction:
        """Everything that the model predicts at a position of a trace that it made."""
        ...

    def effect(
        self,
        text: Any,
        edits: Sequence[Edit] | None = None,
        metric: str | None = None,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: int | None = None,
        top: int = 5,
        observer: Observer | None = None,
    ) -> Effect:
        """Measure what edits do to a prediction; by default those of the trace that is passed as `text`."""
        ...

    def control(
        self,
        text: Any,
        edits: Sequence[Edit] | None = None,
        metric: str | None = None,
        *,
        draws: int | None = None,
        over: str | None = None,
        seed: int = 0,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: int | None = None,
        tokens: Sequence[int] = (),
        observer: Observer | None = None,
        on_result: OnResult | None = None,
    ) -> Control:
        """Compare the effect of edits with that of the same edits made elsewhere."""
        ...

    def changes(self, trace: Trace) -> Mapping[str, Changes]:
        """What edits can change in each stack of a trace, and why something cannot be changed."""
        ...

    def bake_problems(self, edits: Sequence[Edit], trace: Trace | None = None) -> list[str | None]:
        """For each edit, why it cannot be written into the weights; None if it can."""
        ...

    def control_kinds(self, text: Any, edits: Sequence[Edit] | None = None) -> ControlKinds:
        """Which controls `control` can make."""
        ...

    def check(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: str | None = None,
        image: Any = None,
        observer: Observer | None = None,
    ) -> Certificate:
        """Compute the full certificate for a text, or for a trace that this model made."""
        ...

    def attach(self, trace: Trace) -> Trace | None:
        """A saved trace with what this model can add to it; None if a model with other weights made the trace."""
        ...
