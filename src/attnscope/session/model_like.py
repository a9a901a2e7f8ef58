"""What a session needs of a model. `attnscope.Model` is such a thing; so is the fake of `session/fake.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attnscope.model.generation import Generation, OnToken, Wanted
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
    def quantisation(self) -> str | None:
        """How its weights were stored, where that is coarser than `dtype`."""
        ...

    @property
    def parameters(self) -> int:
        """Number of its parameters."""
        ...

    @property
    def stacks(self) -> Mapping[str, Stack]:
        """The sizes of its attention layers."""
        ...

    def count_tokens(self, text: str, pair: str | None = None, *, target: str | None = None) -> int:
        """How many positions a trace of this text has, on its longer side. Runs the tokenizer, not the model.

        Raises `TooLongError` where the model has no positions for so many.
        """
        ...

    def trace(
        self, text: str, pair: str | None = None, *, target: str | None = None, observer: Observer | None = None
    ) -> Trace:
        """One forward pass. `target` is for the decoder of an encoder-decoder model; without one it writes its own."""
        ...

    def generate_wanted(
        self,
        text: str,
        wanted: Wanted,
        *,
        pair: str | None = None,
        target: str | None = None,
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """Text that the model writes on, with the trace of that run."""
        ...

    def check(
        self, text: str, pair: str | None = None, *, target: str | None = None, observer: Observer | None = None
    ) -> Certificate:
        """The full certificate of a text."""
        ...

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """The full certificate of a trace that this model made."""
        ...
