"""What a config says of images: its vision part, and the size that images have."""

from __future__ import annotations

from typing import Any

from attnscope.errors import InputError


def vision_config(config: Any) -> Any:
    """The part of a config that is about images."""
    encoder = getattr(config, "encoder", None)
    return getattr(config, "vision_config", None) or (encoder if hasattr(encoder, "image_size") else config)


def image_size(config: Any) -> tuple[int, int]:
    """(height, width) that a config wants images to have."""
    size = getattr(vision_config(config), "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return int(size[0]), int(size[1])  # pyright: ignore[reportUnknownArgumentType]
    raise InputError(
        "The model came without an image processor and its config names no image size; pass one as the second argument of "
        "`attnscope.Model`, or ready inputs (`{'pixel_values': …}`)."
    )
