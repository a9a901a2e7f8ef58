"""A `run` request with an image: the bytes of the image file are the tensor `image`; a text is optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from attnscope.errors import InputError, TooLongError
from attnscope.model.inputs.images import open_image
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.preprocessor import no_image_input, no_text_input
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import optional_text_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText


@dataclass(frozen=True)
class ImageRequest:
    """An image to trace, already opened and within the limits, and its text (empty for none)."""

    image: Image.Image
    text: str

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> ImageRequest:
        """Read a request. The size of the image file is checked before the image is opened."""
        data, text = body["image"], optional_text_of(body, "text") or ""
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
            raise InputError("`image` must be a one-dimensional uint8 tensor: the bytes of an image file.")
        if data.size > limits.image_bytes:
            raise TooLongError(
                f"The image has {data.size:,} bytes, but this session accepts at most {limits.image_bytes:,}. Make it smaller."
            )
        if text:
            limits.check_text(text, None)
        return cls(open_image(data.tobytes()), text)

    def encode(self, model: ModelLike, limits: Limits) -> tuple[ModelInputs, int]:
        """The model inputs, and the number of positions in the trace.

        Raises `InputError` if the model does not accept images, or not together with text.
        """
        if "image" not in model.takes:
            raise InputError(no_image_input(model.title))
        if self.text and "text" not in model.takes:
            raise InputError(f"{no_text_input(model.title)} Send the image alone.")
        inputs = model.encode(self.text or None, image=self.image)
        tokens = model.count_tokens(inputs)
        limits.check_tokens(tokens)
        return inputs, tokens

    def input_text(self, _inputs: ModelInputs) -> InputText:
        """The input as the page shows it."""
        return InputText(self.text)
