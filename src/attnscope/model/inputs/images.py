"""Images as the user passes them (a PIL image, a file, its bytes or an array) and as a trace stores them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from attnscope.errors import AttnscopeError, DamagedError, InputError, MissingError, TooLongError
from attnscope.types import InputImage
from attnscope.validation import user_path

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 64 * 10**6
"""Larger files and images are rejected before they are decoded."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_PNG_UP_TO = 256 * 256
"""Images of up to this many pixels are stored as PNG, larger ones as JPEG."""


def is_image(value: object) -> bool:
    """Whether `value` is certainly an image: a PIL image, bytes, a `Path`, or an array of three dimensions."""
    if isinstance(value, Image.Image | bytes | bytearray | memoryview | Path):
        return True
    return hasattr(value, "__array__") and len(getattr(value, "shape", ())) == 3


def is_list_of_images(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether `value` is a list of at least one image."""
    if not isinstance(value, list | tuple):
        return False
    items = cast("Sequence[object]", value)
    return len(items) > 0 and all(is_image(one) for one in items)


def check_alone(pair: object, max_tokens: object) -> None:
    """Raise `InputError` for arguments that work only with text."""
    for name, argument in (("pair", pair), ("max_tokens", max_tokens)):
        if argument is not None:
            raise InputError(f"`{name}` works only with a text, not with an image. Omit it.")


def check_without_image(image: object) -> None:
    """Raise `InputError` for an image beside an input that is encoded already: a trace, or the result of `Model.encode`."""
    if image is not None:
        raise InputError("The input is encoded already, so `image` cannot be added to it. Pass the text and the image.")


def open_image(value: Any) -> Image.Image:
    """The image in RGB, rotated as its file specifies.

    `value` is a PIL image, a path, the bytes of a file (PNG, JPEG, WebP, GIF, BMP or TIFF), or an array [height, width],
    [height, width, 3] or [3, height, width] with whole numbers from 0 to 255 or fractions from 0 to 1. Raises `InputError`,
    `MissingError` (no such file), `DamagedError` or `TooLongError` (too many bytes or pixels).
    """
    if isinstance(value, Image.Image):
        _check_size(*value.size)
        return ImageOps.exif_transpose(value).convert("RGB")
    if isinstance(value, str | Path):
        return _from_bytes(_read(user_path(value)))
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_bytes(bytes(value))
    if hasattr(value, "__array__"):
        return _from_array(np.asarray(value))
    raise InputError(
        f"An image must be a PIL image, a path, the bytes of a file or an array; got {type(value).__name__}."
    )


def images_of(value: Any) -> list[Image.Image]:
    """The images of an argument that accepts one image or a list."""
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)
    if several and not value:
        raise InputError("The list of images is empty.")
    return [open_image(one) for one in (cast("Sequence[Any]", value) if several else [value])]


def stored_image(image: Image.Image) -> InputImage:
    """An image as a trace stores it: PNG, or JPEG of high quality above 256 × 256 pixels."""
    file = io.BytesIO()
    if image.width * image.height <= _PNG_UP_TO:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=92)
    return InputImage(file.getvalue(), image.width, image.height)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MissingError(f"The image {str(path)!r:.300} does not exist.")
    if path.stat().st_size > MOST_BYTES:
        raise TooLongError(
            f"The image {path.name!r:.300} has more than {MOST_BYTES:,} bytes, the largest size that attnscope reads. "
            "Make it smaller."
        )
    return path.read_bytes()


def _from_bytes(data: bytes) -> Image.Image:
    if len(data) > MOST_BYTES:
        raise TooLongError(
            f"The image has {len(data):,} bytes, but attnscope reads at most {MOST_BYTES:,}. Make it smaller."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # attnscope's own limit is lower
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_size(*image.size)
            return ImageOps.exif_transpose(image).convert("RGB")
    except AttnscopeError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"These {len(data):,} bytes are not an image in PNG, JPEG, WebP, GIF, BMP or TIFF format."
        ) from error
    except Image.DecompressionBombError as error:
        raise TooLongError(
            f"The image is too large: attnscope opens at most {MOST_PIXELS:,} pixels. Make it smaller."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DamagedError(f"The image file is damaged and cannot be opened ({error}).") from error


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(
            f"An image array must have the shape [height, width, 3] or [height, width]; got {list(array.shape)}."
        )
    _check_size(array.shape[1], array.shape[0])
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        array = np.round(array * 255)
    elif not (low >= 0 and high <= 255):
        raise InputError(
            "The numbers of an image array must be from 0 to 255, or fractions from 0 to 1; these range from "
            f"{low:g} to {high:g}. Pass pixels that are already normalized as `{{'pixel_values': …}}`."
        )
    return Image.fromarray(array.astype(np.uint8)).convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise TooLongError(
            f"The image has {width:,} × {height:,} pixels, but attnscope opens at most {MOST_PIXELS:,}. Make "
            "it smaller."
        )
    if width < 1 or height < 1:
        raise InputError("The image has no pixels.")
