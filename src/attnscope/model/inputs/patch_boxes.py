"""Find the pixels that each position of a stack stands for, by testing the model instead of a table of architectures.

One band of the image after another is changed, and the test records which positions in the stack's first layer change with it.
A position that changes with exactly the bands of one row and one column is the patch there. A position that never changes (a
class or register token) is a special token, and one that changes with several bands is a patch pooled from several. For the
text of an image-text model, the layers of the vision tower are skipped during the test: they mix all patches, while everything
before and after them does not.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.model.hf.vision_config import vision_config
from attnscope.model.inputs.patch_grid import Grid, groups_of
from attnscope.types import Box

_LEAST_CHANGE = 1e-4
"""A position counts as changed if its state changes by more than this fraction of the largest value."""


@dataclass(frozen=True)
class ImageRegion:
    """The part of an image that one position stands for."""

    image: int
    box: Box


class _StopPassError(Exception):
    """End a pass as soon as the states of interest are known."""


@dataclass(frozen=True)
class WatchPoint:
    """Where to watch a pass: the module whose first argument is recorded, and the layers to skip before it."""

    path: str
    skipped: tuple[str, ...] = ()


def layer_path(path: str) -> str:
    """The path of the layer that contains an attention module: everything up to its last number."""
    parts = path.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=len(parts) - 1)
    return ".".join(parts[: last + 1])


def patch_size(model: nn.Module, config: Any) -> tuple[int, int] | None:
    """(height, width) of a patch in pixels, from the config or else from the convolution that makes the patches."""
    size = getattr(vision_config(config), "patch_size", None) or getattr(config, "patch_size", None)
    if isinstance(size, int) and size > 0:
        return size, size
    if isinstance(size, list | tuple) and len(size) >= 2:  # pyright: ignore[reportUnknownArgumentType]
        return int(size[-2]), int(size[-1])  # pyright: ignore[reportUnknownArgumentType]
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == module.stride and module.in_channels in (1, 3):
            return module.kernel_size[0], module.kernel_size[1]
    return None


def image_regions(
    clone: nn.Module,
    inputs: Mapping[str, Tensor],
    watch_point: WatchPoint,
    patch: tuple[int, int],
    grids: Sequence[Grid] | None = None,
) -> list[ImageRegion | None] | None:
    """The part of an image that each position of a stack stands for; None for positions that no pixel changes.

    `inputs` contains `pixel_values` [..., channel, height, width], or the patches of `grids`, and everything else that the
    model needs. `clone` is a structural clone. The result is None if positions do not stand for separate rectangles of an
    image.
    """
    pixels = inputs["pixel_values"]
    shape = groups_of(pixels).shape if grids else (-1, *pixels.shape[-3:])
    images = range(pixels.numel() // pixels.shape[-3:].numel()) if not grids else ()
    bands = [_bands_of_grid(grid) for grid in grids] if grids else [_bands(i, shape[1:], patch) for i in images]
    base = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(7)).to(pixels) * 2 - 1
    with _states(clone, inputs, watch_point) as states:
        before = states(base)
        scale = float(before.abs().max()) or 1.0

        def changed(band: _Band) -> Tensor:
            part = base.clone().reshape(shape)
            part[band] = -part[band] + 0.5
            after = states(part.reshape(pixels.shape))
            return ((after - before).abs().amax(-1) > _LEAST_CHANGE * scale).cpu()

        found: list[ImageRegion | None] = [None] * before.shape[0]
        for image, (of_rows, of_columns) in enumerate(bands):
            rows = [changed(band) for band in of_rows]
            columns = [changed(band) for band in of_columns]
            for position in range(before.shape[0]):
                y, x = _span(rows, position), _span(columns, position)
                if y is None and x is None:
                    continue
                if y is None or x is None or found[position] is not None or not y or not x:
                    return None
                box = (x[0] * patch[1], y[0] * patch[0], x[1] * patch[1], y[1] * patch[0])
                found[position] = ImageRegion(image, box)
    return found if _disjoint(found) else None


_Band = tuple[int | slice | Tensor, ...]
_Bands = tuple[list[_Band], list[_Band]]
"""Where the patches of each row and of each column of an image are in all pixels."""


def _bands(image: int, shape: Sequence[int], patch: tuple[int, int]) -> _Bands:
    """The bands of an image [channel, height, width]."""
    whole, (height, width) = slice(None), patch
    rows: list[_Band] = [(image, whole, slice(y, y + height), whole) for y in range(0, shape[1] - height + 1, height)]
    return rows, [(image, whole, whole, slice(x, x + width)) for x in range(0, shape[2] - width + 1, width)]


def _bands_of_grid(grid: Grid) -> _Bands:
    """The bands of patches in a sequence [group, patch, number]."""
    places = grid.places
    return [(grid.group, row) for row in places], [(grid.group, column) for column in places.T]


def special_names(
    clone: nn.Module, inputs: Mapping[str, Tensor], watch_point: WatchPoint, unchanged: Sequence[int]
) -> dict[int, str]:
    """Names of the positions `unchanged`, which no pixel changes: those of the learned vectors that they come from."""
    found: dict[int, str] = {}
    with _states(clone, inputs, watch_point) as states:
        before = states(inputs["pixel_values"])
        for path, parameter in list(clone.named_parameters()):
            name = _SPECIAL_NAMES.get(next((word for word in _SPECIAL_NAMES if word in path.rsplit(".", 1)[-1]), ""))
            if name is None or parameter.is_meta:
                continue
            owner, own = clone.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2]
            setattr(owner, own, nn.Parameter(_perturbed(parameter), requires_grad=False))
            try:
                after = states(inputs["pixel_values"])
            finally:
                setattr(owner, own, parameter)
            moved = [i for i in unchanged if bool((after[i] != before[i]).any())]
            for number, position in enumerate(moved, start=1):
                found[position] = f"[{name}]" if len(moved) == 1 else f"[{name} {number}]"
    return found


def _perturbed(parameter: Tensor) -> Tensor:
    """A parameter plus noise that no normalization cancels."""
    noise = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(7))
    return parameter.detach() + noise.to(parameter)


_SPECIAL_NAMES = {
    "cls": "CLS",
    "class_embed": "CLS",
    "dist": "DIST",
    "register": "REG",
    "storage": "REG",
    "detection": "DET",
}
"""Names of learned vectors that have their own position, by a part of their parameter's name."""


def position_count(clone: nn.Module, inputs: Mapping[str, Tensor], watch_point: WatchPoint) -> int:
    """The number of positions at the watch point."""
    with _states(clone, inputs, watch_point) as states:
        return states(inputs["pixel_values"]).shape[0]


@contextmanager
def _states(
    clone: nn.Module, inputs: Mapping[str, Tensor], watch_point: WatchPoint
) -> Generator[Callable[[Tensor], Tensor]]:
    """A function from pixels to the states [position, dim] at the watch point."""
    recorded: list[Tensor] = []

    def stop(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs.get("hidden_states")
        if isinstance(states, Tensor):
            recorded.append(states.detach().float().reshape(-1, states.shape[-1]))
        raise _StopPassError

    def states_of(pixels: Tensor) -> Tensor:
        recorded.clear()
        try:
            with torch.no_grad():
                clone(**{**inputs, "pixel_values": pixels})
        except _StopPassError:
            pass
        if not recorded:
            raise LookupError(f"{watch_point.path} receives no states that could be recorded.")
        return recorded[0]

    tuples: dict[str, bool] = {}
    handles = [clone.get_submodule(watch_point.path).register_forward_pre_hook(stop, with_kwargs=True)]
    kinds = [
        clone.get_submodule(path).register_forward_hook(partial(_note_output_type, tuples, path))
        for path in watch_point.skipped
    ]
    skipped_layers: list[nn.Module] = []
    try:
        if watch_point.skipped:
            states_of(inputs["pixel_values"])
            for path in watch_point.skipped:
                layer = clone.get_submodule(path)
                layer.forward = partial(_skip_layer, tuples.get(path, False))
                skipped_layers.append(layer)
        yield states_of
    finally:
        for handle in (*handles, *kinds):
            handle.remove()
        for layer in skipped_layers:
            del layer.forward


def _note_output_type(tuples: dict[str, bool], path: str, _module: nn.Module, _args: Any, output: Any) -> None:
    tuples[path] = isinstance(output, tuple)


def _skip_layer(as_tuple: bool, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> Any:  # noqa: FBT001 - bound beforehand
    return (hidden_states,) if as_tuple else hidden_states


def _span(bands: Sequence[Tensor], position: int) -> tuple[int, int] | tuple[()] | None:
    """The bands (first, last + 1) that changed a position; None if none did, empty if they are not adjacent."""
    which = [i for i, changed in enumerate(bands) if bool(changed[position])]
    if not which:
        return None
    return (which[0], which[-1] + 1) if which[-1] - which[0] + 1 == len(which) else ()


def _disjoint(found: Sequence[ImageRegion | None]) -> bool:
    """Whether no two positions share a pixel."""
    taken: set[tuple[int, int, int]] = set()
    present = [region for region in found if region is not None]
    if not present:
        return True
    height = min(region.box[3] - region.box[1] for region in present)
    width = min(region.box[2] - region.box[0] for region in present)
    for region in present:
        x0, y0, x1, y1 = region.box
        for y in range(y0, y1, height):
            for x in range(x0, x1, width):
                if (region.image, y, x) in taken:
                    return False
                taken.add((region.image, y, x))
    return True
