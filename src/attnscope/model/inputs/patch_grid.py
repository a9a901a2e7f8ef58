"""Images that come as a sequence of patches, with the shapes of their grids as another input (SigLIP 2, Qwen-VL)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The grid of one image's patches, and where they are in `pixel_values` [group, patch, number].

    They start at `first` in group `group`, row by row, or in blocks of `merge` × `merge` patches that the model merges.
    """

    rows: int
    columns: int
    patch: int
    channels: int
    group: int = 0
    first: int = 0
    merge: int = 1
    frames: int | None = None
    """A patch is [channels, frames, patch, patch] numbers; if None, [patch, patch, channels]."""

    @property
    def places(self) -> Int[Tensor, "rows columns"]:
        """The index of each patch in its group."""
        side = self.merge
        order = torch.arange(self.rows * self.columns).reshape(self.rows // side, self.columns // side, side, side)
        return self.first + order.transpose(1, 2).reshape(self.rows, self.columns)

    def image(self, pixels: Tensor) -> Tensor:
        """The image [channels, height, width] in `pixel_values` [group, patch, number]."""
        parts = pixels[self.group, self.places.flatten()]
        size, patch = (self.rows, self.columns), self.patch
        if self.frames is None:
            parts = parts.reshape(*size, patch, patch, self.channels).permute(4, 0, 2, 1, 3)
        else:
            parts = parts.reshape(*size, self.channels, self.frames, patch, patch)[:, :, :, 0].permute(2, 0, 3, 1, 4)
        return parts.reshape(self.channels, self.rows * patch, self.columns * patch)


def grids_of(inputs: Mapping[str, Tensor], config: Any = None) -> list[Grid] | None:
    """The grids of the patches in `pixel_values`; None if they have another layout.

    With `spatial_shapes` [image, 2] the patches are [image, patch, number], with `image_grid_thw` [image, 3] they are all in
    one sequence [patch, number]. `config` is an image processor or a vision config, which states the size of patches and how
    many are merged.
    """
    pixels = inputs.get("pixel_values")
    if pixels is None:
        return None
    shapes, sizes = inputs.get("spatial_shapes"), inputs.get("image_grid_thw")
    if shapes is not None and pixels.ndim == 3 and shapes.shape == (pixels.shape[0], 2):
        return _padded(pixels, shapes)
    if sizes is not None and pixels.ndim == 2 and sizes.ndim == 2 and sizes.shape[1] == 3:
        return _joined(pixels, sizes, config)
    return None


def groups_of(pixels: Tensor) -> Tensor:
    """`pixel_values` that are patches, as [group, patch, number]."""
    return pixels if pixels.ndim == 3 else pixels[None]


def _padded(pixels: Tensor, shapes: Tensor) -> list[Grid] | None:
    for channels in (3, 1):
        patch = math.isqrt(pixels.shape[-1] // channels)
        if channels * patch**2 == pixels.shape[-1]:
            return [
                Grid(int(rows), int(columns), patch, channels, group)
                for group, (rows, columns) in enumerate(shapes.tolist())
            ]
    return None


def _joined(pixels: Tensor, sizes: Tensor, config: Any) -> list[Grid] | None:
    patch = getattr(config, "patch_size", None)
    merge = getattr(config, "merge_size", None) or getattr(config, "spatial_merge_size", None) or 1
    frames = getattr(config, "temporal_patch_size", None) or 1
    if not all(isinstance(one, int) for one in (patch, merge, frames)) or not patch:
        return None
    channels, rest = divmod(pixels.shape[-1], frames * patch**2)
    single_frame = bool((sizes[:, 0] == 1).all()) and bool((sizes[:, 1:] % merge == 0).all())
    if rest or channels not in (1, 3) or not single_frame or int(sizes.prod(1).sum()) != pixels.shape[0]:
        return None
    found: list[Grid] = []
    first = 0
    for _, rows, columns in sizes.tolist():
        found.append(Grid(rows, columns, patch, channels, first=first, merge=merge, frames=frames))
        first += rows * columns
    return found
