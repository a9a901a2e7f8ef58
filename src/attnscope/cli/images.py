"""The `--image FILE` option: images that belong to a text, or that are read without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attnscope.errors import MissingError

ImageFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        help="Image file, for a model that reads images. --text is then the prompt in which it stands. Can be repeated.",
    ),
]


def image_paths(paths: Sequence[Path] | None) -> list[Path] | Path | None:
    """The image or images as `Model.trace` takes them; None without any. Raises `MissingError` before a model is loaded."""
    for path in paths or ():
        if not path.expanduser().is_file():
            raise MissingError(f"The image {str(path)!r} does not exist.")
    return None if not paths else paths[0] if len(paths) == 1 else list(paths)
