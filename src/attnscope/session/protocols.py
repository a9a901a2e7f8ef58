"""What a session needs of a model. `attnscope.Model` is such a thing; so is `attnscope.testing.FakeModel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, overload

from attnscope.edits import Edit
from attnscope.model.generation.result import Generation, OnToken
from attnscope.model.inputs.chat import TextOrChat
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.patching.sweep import Sweep
from attnscope.model.residual_stream.states import States
from attnscope.trace import Certificate, Trace
from attnscope.types import Observer, Stack


class ModelLike(Protocol):
    """A model that is loaded and can be traced."""

    @property
    def name(self) -> str:
        """What it is called where one chooses between models."""
        ...

    @property
    def title(self) -> str:
        """Its name for a person."""
        ...

    @property
    def kind(self) -> str:
        """`decoder`, `encoder` or `encoder-decoder`."""
        ...

    @property
    def dtype(self) -> str:
        """The type that it computes in, such as `float32`."""
        ...

    @property
    def quantization(self) -> str | None:
        """How its weights were stored, where that is coarser than `dtype`."""
        ...

    @property
    def parameters(self) -> int:
        """Number of its parameters."""
        ...

    @property
    def takes(self) -> tuple[str, ...]:
        """What it reads: `text`, `image`, or both."""
        ...

    @property
    def stacks(self) -> Mapping[str, Stack]:
        """The sizes of its attention layers."""
        ...

    @property
    def chat(self) -> bool:
        """Whether it takes the messages of a chat."""
        ...

    def encode(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: str | None = None,
        image: Any = None,
        max_tokens: int | None = None,
    ) -> ModelInputs:
        """What the model reads for a text, a chat or an image, a longer one cut to `max_tokens`. The model is not run."""
        ...

    def count_tokens(self, text: ModelInputs) -> int:
        """How many positions a trace of these inputs has, on its longer side.

        Raises `TooLongError` where the model has no positions for so many.
        """
        ...

    @overload
    def trace(self, text: ModelInputs, *, edits: Sequence[Edit] = (), observer: Observer | None = None) -> Trace: ...
    @overload
    def trace(
        self, text: str, pair: str | None = None, *, target: str | None = None, edits: Sequence[Edit] = ()
    ) -> Trace: ...
    @overload
    def trace(
        self, text: Sequence[Mapping[str, Any]], *, target: str | None = None, edits: Sequence[Edit] = ()
    ) -> Trace: ...
    def trace(self, text: Any, *_given: Any, **_options: Any) -> Trace:
        """One forward pass. Without a target the model writes its own."""
        ...

    def generate(
        self,
        text: TextOrChat | ModelInputs,
        max_new_tokens: int = 20,
        edits: Sequence[Edit] = (),
        *,
        target: str | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """Text that the model writes on, with the trace of that run."""
        ...

    def states(
        self,
        text: Any,
        answer: str | int | None = None,
        foil: str | int | None = None,
        *,
        position: int | None = None,
        observer: Observer | None = None,
    ) -> States:
        """The residual stream of a text, or of a trace that this model made."""
        ...

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        what: str = "output",
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
        """A sweep of activation patching from one prompt into another."""
        ...

    def check(
        self, text: Any, pair: str | None = None, *, target: str | None = None, observer: Observer | None = None
    ) -> Certificate:
        """The full certificate of a text, or of a trace that this model made."""
        ...
