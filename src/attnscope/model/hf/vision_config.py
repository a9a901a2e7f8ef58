"""What a config states about images: its vision part, and the size of its input images."""

from __future__ import annotations

from typing import Any

from attnscope.errors import InputError


def vision_config(config: Any) -> Any:
    """The part of a config that describes images."""
    encoder = getattr(config, "encoder", None)
    return getattr(config, "vision_config", None) or (encoder if hasattr(encoder, "image_size") else config)


def image_size(config: Any) -> tuple[int, int]:
    """The (height, width) that a config states for input images. Raises `InputError` if it states none."""
    size = getattr(vision_config(config), "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return int(size[0]), int(size[1])  # pyright: ignore[reportUnknownArgumentType]
    raise InputError(
        "The model has no image processor, and its config states no image size. Pass an image processor as the "
        "second argument of `attnscope.Model`, or pass ready inputs (`{'pixel_values': …}`)."
    )
