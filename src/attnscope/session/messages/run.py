"""The input of a `run` request: a text or a chat, optionally with a second sentence or a target, optionally truncated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attnscope.errors import TooLongError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import Turn, chat_text, continues_message, messages_of, optional_text_of, text_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText


@dataclass(frozen=True)
class RunRequest:
    """The input of a run. For a chat, `messages` are its messages and `text` is their joined content."""

    text: str
    pair: str | None
    target: str | None
    messages: list[Turn] | None
    cut: bool
    continue_final_message: bool = False

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> RunRequest:
        """Read a request. Raises `InputError` for an invalid field, and `TooLongError` for too many characters."""
        messages = messages_of(body)
        text = text_of(body, "text") if messages is None else chat_text(messages)
        pair, target = optional_text_of(body, "pair"), optional_text_of(body, "target")
        request = cls(text, pair, target, messages, body.get("cut") is True, continues_message(body))
        limits.check_text(request.text, request.pair, request.target)
        return request

    def encode(self, model: ModelLike, limits: Limits) -> tuple[ModelInputs, int]:
        """The model inputs, and the number of positions in the trace.

        A text that is too long is truncated if the request allows it (`cut`). Otherwise this raises `TooLongError`, whose
        `fits` is the number of tokens that would fit.
        """
        try:
            return self._encoded(model, limits, None)
        except TooLongError as error:
            if error.fits is None or self.messages is not None:  # truncating a chat would break its template
                raise TooLongError(str(error)) from error
            most = min(error.fits, limits.tokens)
            if not self.cut:
                raise TooLongError(str(error), fits=most) from error
        return self._encoded(model, limits, most)

    def input_text(self, inputs: ModelInputs) -> InputText:
        """The input as the page shows it. For a chat or a truncated text, this is the text that the model reads."""
        return InputText(inputs.text or self.text, self.pair, self.target, inputs.messages, self.continue_final_message)

    def _encoded(self, model: ModelLike, limits: Limits, most: int | None) -> tuple[ModelInputs, int]:
        prompt = self.text if self.messages is None else self.messages
        inputs = model.encode(
            prompt,
            self.pair,
            target=self.target,
            max_tokens=most,
            continue_final_message=self.continue_final_message,
        )
        tokens = model.count_tokens(inputs)
        limits.check_tokens(tokens)
        return inputs, tokens
