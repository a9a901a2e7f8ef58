"""A `run` request that brings a picture: the bytes of its file as the tensor `image`, a text beside it or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from attnscope.errors import InputError, TooLongError
from attnscope.model.inputs.images import open_picture
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import optional_text_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import HeldTrace
from attnscope.trace import Trace
from attnscope.types import Observer


@dataclass(frozen=True)
class PictureRequest:
    """A picture to trace, opened and found small enough, and the text that it stands in (empty: none)."""

    image: Image.Image
    text: str

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> PictureRequest:
        """From the fields of a request. Its size is looked at before its bytes are."""
        given, text = body["image"], optional_text_of(body, "text") or ""
        if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.ndim != 1:
            raise InputError("`image` is the bytes of a picture's file, a tensor of uint8.")
        if given.size > limits.image_bytes:
            raise TooLongError(
                f"The picture has {given.size:,} bytes; this session takes at most {limits.image_bytes:,}. Make it smaller."
            )
        if text:
            limits.check_text(text, None)
        return cls(open_picture(given.tobytes()), text)

    def tokens(self, model: ModelLike, limits: Limits) -> int:
        """How many positions the trace has. Raises `InputError` for a model that reads no pictures, or not with this text."""
        if "image" not in model.takes:
            raise InputError(f"{model.title} reads text, no pictures.")
        if self.text and "text" not in model.takes:
            raise InputError(f"{model.title} reads pictures, no text: send the picture alone.")
        tokens = model.count_positions(self.image, self.text)
        limits.check_tokens(tokens)
        return tokens

    def trace(self, model: ModelLike, observer: Observer) -> Trace:
        """The pass."""
        run: Any = model.trace  # what a model that takes pictures accepts, and others need not
        if self.text:
            return run(self.text, image=self.image, observer=observer)
        return run(self.image, observer=observer)

    def held(self, trace: Trace, model: ModelLike) -> HeldTrace:
        """The trace with what it was made from."""
        return HeldTrace(trace, model, self.text, None)
