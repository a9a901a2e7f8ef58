"""Pictures that come as patches one after another, with the shapes of their grids beside them and padding behind (SigLIP 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The grid of one picture's patches; a patch is [patch, patch, channels] numbers in a row."""

    rows: int
    columns: int
    patch: int
    channels: int


def grids_of(inputs: Mapping[str, Tensor]) -> list[Grid] | None:
    """The grids of `pixel_values` [picture, patch, number], by `spatial_shapes` [picture, 2]; None where they come otherwise."""
    pixels, shapes = inputs.get("pixel_values"), inputs.get("spatial_shapes")
    if pixels is None or shapes is None or pixels.ndim != 3 or shapes.shape != (pixels.shape[0], 2):
        return None
    for channels in (3, 1):
        patch = math.isqrt(pixels.shape[-1] // channels)
        if channels * patch**2 == pixels.shape[-1]:
            return [Grid(int(rows), int(columns), patch, channels) for rows, columns in shapes.tolist()]
    return None


def laid_out(pixels: Tensor, grid: Grid) -> Tensor:
    """The picture [channels, height, width] of its patches [patch, number] without the padding."""
    rows, columns, patch, channels = grid.rows, grid.columns, grid.patch, grid.channels
    parts = pixels[: rows * columns].reshape(rows, columns, patch, patch, channels)
    return parts.permute(4, 0, 2, 1, 3).reshape(channels, rows * patch, columns * patch)
