"""The part of `Model` that is about pictures: what it takes, and pictures as its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.model.handle import Core
from attnscope.model.inputs.image_tokens import (
    encode_pictures,
    encode_ready_pictures,
    encode_with_text,
    takes_pictures,
    takes_pictures_only,
)
from attnscope.model.inputs.images import is_picture, pictures_of
from attnscope.model.inputs.model_inputs import Encoded
from attnscope.model.inputs.patch_boxes import patch_size


class Seeing(Core):
    """A part of `Model`."""

    @property
    def takes(self) -> tuple[str, ...]:
        """What it can be given: `text`, `image`, or both."""
        if takes_pictures_only(self.module):
            return ("image",)
        return ("text", "image") if takes_pictures(self.module) else ("text",)

    def count_positions(self, image: Any, text: str = "") -> int:
        """About how many positions a trace of a picture has, without running the model; exact for a picture in a text."""
        encoded = self._encoded_pictures(text or None, image)
        if encoded.tokens:
            return len(encoded.tokens)
        pixels, patch = encoded.inputs["pixel_values"], patch_size(self.module, self.module.config)
        height, width = pixels.shape[-2:]
        return height if patch is None or pixels.ndim < 4 else (height // patch[0]) * (width // patch[1]) + 1

    def _is_picture(self, given: Any) -> bool:
        """Whether `given` is a picture, or ready inputs with one. A string names a picture where the model reads no text."""
        if isinstance(given, Mapping):
            return "pixel_values" in cast("Mapping[str, Any]", given)
        only = takes_pictures_only(self.module)
        return is_picture(given) or (only and (isinstance(given, str) or hasattr(given, "__array__")))

    def _encoded_pictures(self, text: Any, image: Any) -> Encoded:
        if not takes_pictures(self.module):
            raise InputError(f"{self.title} reads text, no pictures.")
        if isinstance(text, Mapping):
            return encode_ready_pictures(self._tools, self._read, cast("Mapping[str, Any]", text), self.module.config)
        if image is None or text is None:
            return encode_pictures(self._tools, pictures_of(text if image is None else image), self.module.config)
        if takes_pictures_only(self.module):
            raise InputError(f"{self.title} reads pictures, no text: `model.trace(image)`.")
        if not isinstance(text, str):
            raise InputError(
                "Pictures (`image=`) go with a text; with ready inputs pass `pixel_values` in the mapping."
            )
        return encode_with_text(self._tools, self._read, text, pictures_of(image), self.module.config)
