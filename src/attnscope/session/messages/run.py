"""What a `run` asks for: a text or a chat, perhaps with a second sentence or a target, perhaps cut to what the model takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attnscope.errors import TooLongError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import Turn, messages_of, optional_text_of, said_in, text_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText


@dataclass(frozen=True)
class RunRequest:
    """The input of a run. With `messages`, `text` is what they say together."""

    text: str
    pair: str | None
    target: str | None
    messages: list[Turn] | None
    cut: bool

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> RunRequest:
        """The fields of a request. Raises `InputError` for what is none, `TooLongError` for what is too long as text."""
        messages = messages_of(body)
        text = text_of(body, "text") if messages is None else said_in(messages)
        made = cls(
            text, optional_text_of(body, "pair"), optional_text_of(body, "target"), messages, body.get("cut") is True
        )
        limits.check_text(made.text, made.pair, made.target)
        return made

    def encode(self, model: ModelLike, limits: Limits) -> tuple[ModelInputs, int]:
        """What the model reads, cut where that was asked for and is needed, and how many positions the trace will have.

        Raises `TooLongError` where there are too many and nobody asked to cut; its `fits` are those that there may be.
        """
        try:
            return self._encoded(model, limits, None)
        except TooLongError as error:
            if error.fits is None or self.messages is not None:  # a chat is not cut: its template would break
                raise TooLongError(str(error)) from error
            most = min(error.fits, limits.tokens)
            if not self.cut:
                raise TooLongError(str(error), fits=most) from error
        return self._encoded(model, limits, most)

    def input_text(self, inputs: ModelInputs) -> InputText:
        """What the page is told of the input; of a chat or a cut text, the text is the one that the model reads."""
        return InputText(inputs.text or self.text, self.pair, self.target, inputs.messages)

    def _encoded(self, model: ModelLike, limits: Limits, most: int | None) -> tuple[ModelInputs, int]:
        given = self.text if self.messages is None else self.messages
        inputs = model.encode(given, self.pair, target=self.target, max_tokens=most)
        tokens = model.count_tokens(inputs)
        limits.check_tokens(tokens)
        return inputs, tokens
