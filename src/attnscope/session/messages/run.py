"""The input of a `run` request: a text, a chat or an image, optionally with a second sentence or a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from attnscope.errors import InputError, TooLongError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.preprocessor import no_target_side
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import Turn, continues_message, messages_of, optional_text_of, prompt_of
from attnscope.session.messages.image import check_prompt, check_takes, image_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText
from attnscope.types import Observer


@dataclass(frozen=True)
class RunRequest:
    """The input of a run. For a chat, `messages` are its messages and `text` is their joined content.

    With an `image`, the text may be empty.
    """

    text: str
    pair: str | None
    target: str | None
    messages: list[Turn] | None
    cut: bool
    image: Image.Image | None = None
    continue_final_message: bool = False

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> RunRequest:
        """Read a request. Raises `InputError` for an invalid field, and `TooLongError` for too many characters."""
        image, messages = image_of(body, "image", limits), messages_of(body)
        text = prompt_of(body, "text", messages, image)
        pair, target = optional_text_of(body, "pair"), optional_text_of(body, "target")
        check_prompt(text, pair, target, image, limits)
        return cls(text, pair, target, messages, body.get("cut") is True, image, continues_message(body))

    def encode(self, model: ModelLike, limits: Limits, observer: Observer) -> tuple[ModelInputs, int]:
        """The model inputs, and the number of positions in the trace.

        A text that is too long is truncated if the request allows it (`cut`). Otherwise this raises `TooLongError`, whose
        `fits` is the number of tokens that would fit. Raises `InputError` for a kind of input that the model does not accept.
        """
        check_takes(model, self.text, self.image)
        if self.target is not None and model.kind != "encoder-decoder":
            raise InputError(no_target_side(model.title))
        try:
            return self._encoded(model, limits, None, observer)
        except TooLongError as error:
            # truncating would break the template of a chat, or cut an image
            if error.fits is None or self.messages is not None or self.image is not None:
                raise TooLongError(str(error)) from error
            most = min(error.fits, limits.tokens)
            if not self.cut:
                raise TooLongError(str(error), fits=most) from error
        return self._encoded(model, limits, most, observer)

    def input_text(self, inputs: ModelInputs) -> InputText:
        """The input as the page shows it. For a chat or a truncated text, this is the text that the model reads."""
        text = self.text if self.image is not None else inputs.text or self.text
        return InputText(text, self.pair, self.target, inputs.messages, self.continue_final_message)

    def _encoded(
        self, model: ModelLike, limits: Limits, most: int | None, observer: Observer
    ) -> tuple[ModelInputs, int]:
        prompt = (self.text or None) if self.messages is None else self.messages
        inputs = model.encode(
            prompt,
            self.pair,
            target=self.target,
            image=self.image,
            max_tokens=most,
            continue_final_message=self.continue_final_message,
            observer=observer,
        )
        tokens = model.count_tokens(inputs)
        limits.check_tokens(tokens)
        return inputs, tokens
