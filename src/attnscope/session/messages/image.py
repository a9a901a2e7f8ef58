"""A `run` request that brings an image: the bytes of its file as the tensor `image`, a text beside it or none."""

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
    """An image to trace, opened and found small enough, and the text that it stands in (empty: none)."""

    image: Image.Image
    text: str

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> ImageRequest:
        """From the fields of a request. Its size is looked at before its bytes are."""
        given, text = body["image"], optional_text_of(body, "text") or ""
        if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.ndim != 1:
            raise InputError("`image` is the bytes of an image's file, a tensor of uint8.")
        if given.size > limits.image_bytes:
            raise TooLongError(
                f"The image has {given.size:,} bytes; this session takes at most {limits.image_bytes:,}. Make it smaller."
            )
        if text:
            limits.check_text(text, None)
        return cls(open_image(given.tobytes()), text)

    def encode(self, model: ModelLike, limits: Limits) -> tuple[ModelInputs, int]:
        """What the model reads, and how many positions the trace has.

        Raises `InputError` for a model that reads no images, or not with this text.
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
        """What the page is told of the input."""
        return InputText(self.text)
