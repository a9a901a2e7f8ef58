"""An image in a request: the bytes of an image file, as a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from attnscope.errors import InputError, TooLongError
from attnscope.model.inputs.images import open_image
from attnscope.model.inputs.preprocessor import no_image_input, no_text_input
from attnscope.session.limits import Limits
from attnscope.session.protocols import ModelLike


def image_of(body: Mapping[str, Any], field: str, limits: Limits) -> Image.Image | None:
    """The image in a tensor of a request, opened; None without one. Its size is checked before it is opened."""
    data = body.get(field)
    if data is None:
        return None
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
        raise InputError(f"`{field}` must be a one-dimensional uint8 tensor: the bytes of an image file.")
    if data.size > limits.image_bytes:
        raise TooLongError(
            f"The image has {data.size:,} bytes, but this session accepts at most {limits.image_bytes:,}. Make it smaller."
        )
    return open_image(data.tobytes())


def check_prompt(text: str, pair: str | None, target: str | None, image: Image.Image | None, limits: Limits) -> None:
    """Check an input before it is tokenized. With an image, the text may be empty."""
    if text or image is None:
        limits.check_text(text, pair, target)
    elif pair or target:
        limits.check_text(f"{pair or ''}{target or ''}", None)


def check_takes(model: ModelLike, text: str, image: Image.Image | None) -> None:
    """Raise `InputError` if the model does not accept images, or text, or the image without a text."""
    if image is not None and "image" not in model.takes:
        raise InputError(no_image_input(model.title))
    if image is None and "text" not in model.takes:
        raise InputError(f"{no_text_input(model.title)} Choose an image.")
    if text and "text" not in model.takes:
        raise InputError(f"{no_text_input(model.title)} Send the image alone.")
