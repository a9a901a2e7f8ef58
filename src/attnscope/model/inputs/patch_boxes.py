"""Which pixels each position of a stack stands for, found by looking and not from a table of architectures.

One band of the image after another is changed, and it is watched which positions of the stack's first layer change with it.
A position that follows exactly the bands of one row and one column is the patch there; one that follows none (a class or
register token) is a special token; what follows several is a patch pooled from several. For the text of an image-text model
the layers of its vision tower are left out meanwhile, as they mix all patches: what lies before and after them does not.
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
"""A position changed if its state did by more than this share of the largest."""


@dataclass(frozen=True)
class Spot:
    """The part of an image that one position stands for."""

    image: int
    box: Box


class _SeenError(Exception):
    """Ends a pass once the states of interest are there."""


@dataclass(frozen=True)
class Lookout:
    """Where to look: the module whose first argument is watched, and the layers that are left out on the way."""

    path: str
    left_out: tuple[str, ...] = ()


def layer_path(path: str) -> str:
    """The path of the layer that an attention module lies in: up to its last number."""
    parts = path.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=len(parts) - 1)
    return ".".join(parts[: last + 1])


def patch_size(model: nn.Module, config: Any) -> tuple[int, int] | None:
    """(height, width) of a patch in pixels: as the config says, else as the convolution that cuts them does."""
    said = getattr(vision_config(config), "patch_size", None) or getattr(config, "patch_size", None)
    if isinstance(said, int) and said > 0:
        return said, said
    if isinstance(said, list | tuple) and len(said) >= 2:  # pyright: ignore[reportUnknownArgumentType]
        return int(said[-2]), int(said[-1])  # pyright: ignore[reportUnknownArgumentType]
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == module.stride and module.in_channels in (1, 3):
            return module.kernel_size[0], module.kernel_size[1]
    return None


def spots(
    clone: nn.Module,
    inputs: Mapping[str, Tensor],
    lookout: Lookout,
    patch: tuple[int, int],
    grids: Sequence[Grid] | None = None,
) -> list[Spot | None] | None:
    """For every position of the stack the part of an image it stands for, None for those that no pixel changes.

    `inputs` has `pixel_values` [..., channel, height, width], or the patches of `grids`, and what else the model needs; `clone`
    is a structural clone. None where positions do not stand for separate rectangles of it.
    """
    pixels = inputs["pixel_values"]
    shape = groups_of(pixels).shape if grids else (-1, *pixels.shape[-3:])
    images = range(pixels.numel() // pixels.shape[-3:].numel()) if not grids else ()
    bands = [_bands_of_grid(grid) for grid in grids] if grids else [_bands(i, shape[1:], patch) for i in images]
    base = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(7)).to(pixels) * 2 - 1
    with _states(clone, inputs, lookout) as states:
        before = states(base)
        scale = float(before.abs().max()) or 1.0

        def changed(band: _Band) -> Tensor:
            part = base.clone().reshape(shape)
            part[band] = -part[band] + 0.5
            after = states(part.reshape(pixels.shape))
            return ((after - before).abs().amax(-1) > _LEAST_CHANGE * scale).cpu()

        found: list[Spot | None] = [None] * before.shape[0]
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
                found[position] = Spot(image, box)
    return found if _apart(found) else None


_Band = tuple[int | slice | Tensor, ...]
_Bands = tuple[list[_Band], list[_Band]]
"""Where the patches of each row and of each column of an image lie in all pixels."""


def _bands(image: int, shape: Sequence[int], patch: tuple[int, int]) -> _Bands:
    """Of an image [channel, height, width]."""
    whole, (height, width) = slice(None), patch
    rows: list[_Band] = [(image, whole, slice(y, y + height), whole) for y in range(0, shape[1] - height + 1, height)]
    return rows, [(image, whole, whole, slice(x, x + width)) for x in range(0, shape[2] - width + 1, width)]


def _bands_of_grid(grid: Grid) -> _Bands:
    """Of patches one after another [group, patch, number]."""
    places = grid.places
    return [(grid.group, row) for row in places], [(grid.group, column) for column in places.T]


def special_names(
    clone: nn.Module, inputs: Mapping[str, Tensor], lookout: Lookout, free: Sequence[int]
) -> dict[int, str]:
    """Names of the positions `free`, which no pixel changes: those of the learned vectors that they come from."""
    found: dict[int, str] = {}
    with _states(clone, inputs, lookout) as states:
        before = states(inputs["pixel_values"])
        for path, parameter in list(clone.named_parameters()):
            name = _KINDS.get(next((word for word in _KINDS if word in path.rsplit(".", 1)[-1]), ""))
            if name is None or parameter.is_meta:
                continue
            owner, own = clone.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2]
            setattr(owner, own, nn.Parameter(_moved(parameter), requires_grad=False))
            try:
                after = states(inputs["pixel_values"])
            finally:
                setattr(owner, own, parameter)
            moved = [i for i in free if bool((after[i] != before[i]).any())]
            for number, position in enumerate(moved, start=1):
                found[position] = f"[{name}]" if len(moved) == 1 else f"[{name} {number}]"
    return found


def _moved(parameter: Tensor) -> Tensor:
    """A parameter with something added that no normalizing takes away."""
    noise = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(7))
    return parameter.detach() + noise.to(parameter)


_KINDS = {"cls": "CLS", "class_embed": "CLS", "dist": "DIST", "register": "REG", "storage": "REG", "detection": "DET"}
"""What learned vectors that are positions of their own are called, by a part of their parameter's name."""


def position_count(clone: nn.Module, inputs: Mapping[str, Tensor], lookout: Lookout) -> int:
    """How many positions come to the lookout."""
    with _states(clone, inputs, lookout) as states:
        return states(inputs["pixel_values"]).shape[0]


@contextmanager
def _states(clone: nn.Module, inputs: Mapping[str, Tensor], lookout: Lookout) -> Generator[Callable[[Tensor], Tensor]]:
    """A function from pixels to the states [position, dim] that come to the lookout."""
    held: list[Tensor] = []

    def stop(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs.get("hidden_states")
        if isinstance(states, Tensor):
            held.append(states.detach().float().reshape(-1, states.shape[-1]))
        raise _SeenError

    def states_of(pixels: Tensor) -> Tensor:
        held.clear()
        try:
            with torch.no_grad():
                clone(**{**inputs, "pixel_values": pixels})
        except _SeenError:
            pass
        if not held:
            raise LookupError(f"{lookout.path} is given no states that could be watched.")
        return held[0]

    tuples: dict[str, bool] = {}
    handles = [clone.get_submodule(lookout.path).register_forward_pre_hook(stop, with_kwargs=True)]
    kinds = [
        clone.get_submodule(path).register_forward_hook(partial(_note_kind, tuples, path)) for path in lookout.left_out
    ]
    passed: list[nn.Module] = []
    try:
        if lookout.left_out:
            states_of(inputs["pixel_values"])
            for path in lookout.left_out:
                layer = clone.get_submodule(path)
                layer.forward = partial(_pass_on, tuples.get(path, False))
                passed.append(layer)
        yield states_of
    finally:
        for handle in (*handles, *kinds):
            handle.remove()
        for layer in passed:
            del layer.forward


def _note_kind(tuples: dict[str, bool], path: str, _module: nn.Module, _args: Any, output: Any) -> None:
    tuples[path] = isinstance(output, tuple)


def _pass_on(as_tuple: bool, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> Any:  # noqa: FBT001 - bound beforehand
    return (hidden_states,) if as_tuple else hidden_states


def _span(bands: Sequence[Tensor], position: int) -> tuple[int, int] | tuple[()] | None:
    """The bands (first, last + 1) that changed a position; None where none did, empty where they are not next to each other."""
    which = [i for i, changed in enumerate(bands) if bool(changed[position])]
    if not which:
        return None
    return (which[0], which[-1] + 1) if which[-1] - which[0] + 1 == len(which) else ()


def _apart(found: Sequence[Spot | None]) -> bool:
    """Whether no two positions share a pixel."""
    taken: set[tuple[int, int, int]] = set()
    present = [spot for spot in found if spot is not None]
    if not present:
        return True
    height = min(spot.box[3] - spot.box[1] for spot in present)
    width = min(spot.box[2] - spot.box[0] for spot in present)
    for spot in present:
        x0, y0, x1, y1 = spot.box
        for y in range(y0, y1, height):
            for x in range(x0, x1, width):
                if (spot.image, y, x) in taken:
                    return False
                taken.add((spot.image, y, x))
    return True
