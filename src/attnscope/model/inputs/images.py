"""Images as they are given: a PIL image, a file, its bytes or an array; and as a trace keeps them."""

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

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 64 * 10**6
"""Larger files and images are refused, before they are decoded."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_WHOLE_UP_TO = 256 * 256
"""Images of up to so many pixels are kept as PNG, larger ones as JPEG."""


def is_image(given: object) -> bool:
    """Whether `given` is an image for sure: a PIL image, bytes, a `Path`, or an array of three dimensions."""
    if isinstance(given, Image.Image | bytes | bytearray | memoryview | Path):
        return True
    return hasattr(given, "__array__") and len(getattr(given, "shape", ())) == 3


def is_list_of_images(given: object) -> TypeGuard[Sequence[Any]]:
    """Whether `given` is a list of at least one image."""
    if not isinstance(given, list | tuple):
        return False
    items = cast("Sequence[object]", given)
    return len(items) > 0 and all(is_image(one) for one in items)


def check_alone(pair: object, max_tokens: object) -> None:
    """Raise `InputError` for what goes with texts and not with images."""
    for name, value in (("pair", pair), ("max_tokens", max_tokens)):
        if value is not None:
            raise InputError(f"`{name}` goes with a text, not with an image; leave it out.")


def open_image(given: Any) -> Image.Image:
    """The image in RGB, turned as its file says.

    `given` is a PIL image, a path, the bytes of a file (PNG, JPEG, WebP, GIF, BMP or TIFF), or an array: [height, width],
    [height, width, 3] or [3, height, width], either whole numbers from 0 to 255 or fractions from 0 to 1.
    """
    if isinstance(given, Image.Image):
        _check_size(*given.size)
        return ImageOps.exif_transpose(given).convert("RGB")
    if isinstance(given, str | Path):
        return _from_bytes(_read(Path(given).expanduser()))
    if isinstance(given, bytes | bytearray | memoryview):
        return _from_bytes(bytes(given))
    if hasattr(given, "__array__"):
        return _from_array(np.asarray(given))
    raise InputError(f"An image is a PIL image, a path, bytes of a file or an array; got {type(given).__name__}.")


def images_of(given: Any) -> list[Image.Image]:
    """The images of an argument that takes one or several."""
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray | memoryview)
    if several and not given:
        raise InputError("An empty list holds no image.")
    return [open_image(one) for one in (cast("Sequence[Any]", given) if several else [given])]


def kept(image: Image.Image) -> InputImage:
    """An image as a trace keeps it: PNG, or above 256 × 256 pixels JPEG of high quality."""
    file = io.BytesIO()
    if image.width * image.height <= _WHOLE_UP_TO:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=92)
    return InputImage(file.getvalue(), image.width, image.height)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MissingError(f"There is no image {str(path)!r}.")
    if path.stat().st_size > MOST_BYTES:
        raise TooLongError(f"The image {path.name!r} has more than {MOST_BYTES:,} bytes; make it smaller.")
    return path.read_bytes()


def _from_bytes(data: bytes) -> Image.Image:
    if len(data) > MOST_BYTES:
        raise TooLongError(f"The image has {len(data):,} bytes; at most {MOST_BYTES:,} are read. Make it smaller.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower, and comes first
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_size(*image.size)
            return ImageOps.exif_transpose(image).convert("RGB")
    except AttnscopeError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"These {len(data):,} bytes are no image in PNG, JPEG, WebP, GIF, BMP or TIFF.") from error
    except Image.DecompressionBombError as error:
        raise TooLongError(f"The image is too large to open; at most {MOST_PIXELS:,} pixels are.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DamagedError(f"The image cannot be opened; its file is damaged ({error}).") from error


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(
            f"An image as an array has the shape [height, width, 3] or [height, width]; got {list(array.shape)}."
        )
    _check_size(array.shape[1], array.shape[0])
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        array = np.round(array * 255)
    elif not (low >= 0 and high <= 255):
        raise InputError(
            f"An image's numbers go from 0 to 255, or as fractions from 0 to 1; these go from {low:g} to {high:g}. Pixels that "
            "were normalized already are passed as `{'pixel_values': …}`."
        )
    return Image.fromarray(array.astype(np.uint8)).convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise TooLongError(
            f"The image has {width:,} × {height:,} pixels; at most {MOST_PIXELS:,} are opened. Make it smaller."
        )
    if width < 1 or height < 1:
        raise InputError("The image has no pixels.")
