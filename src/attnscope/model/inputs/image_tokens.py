"""Inputs with images: what the model is given, and the tokens that its patches are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attnscope.capture import prepared
from attnscope.errors import InputError
from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.vision_config import vision_config
from attnscope.model.inputs.image_processor import Pixels, Processors, pixels_of, pixels_with_text, seen
from attnscope.model.inputs.images import kept
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.patch_boxes import (
    Lookout,
    Spot,
    layer_path,
    patch_size,
    position_count,
    special_names,
    spots,
)
from attnscope.model.inputs.patch_grid import Grid, grids_of
from attnscope.model.inputs.tensors import encode_ready
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Token

NO_PATCHES = (
    "Which part of the image each position stands for could not be found out (no position follows a patch of its own), so "
    "the image is not lit up."
)


def takes_images_only(model: nn.Module) -> bool:
    """Whether a model reads images and no text."""
    names = _forward_names(model)
    return getattr(model, "main_input_name", None) == "pixel_values" or (
        "pixel_values" in names and "input_ids" not in names
    )


def takes_images(model: nn.Module) -> bool:
    """Whether a model reads images, alone or in a text."""
    config: Any = model.config
    named = "pixel_values" in _forward_names(model)
    return named or takes_images_only(model) or getattr(config, "vision_config", None) is not None


def _forward_names(model: nn.Module) -> set[str]:
    return set(inspect.signature(model.forward).parameters)


def encode_images(processors: Processors, images: Sequence[Image.Image], config: Any) -> ModelInputs:
    """Images alone; their tokens are not known before the model was looked at (`with_patches`)."""
    pixels = pixels_of(processors, images, config)
    shape = pixels.inputs["pixel_values"].shape
    if len(shape) == 4 and shape[0] > 1:
        raise InputError(f"A trace is of one image; got {shape[0]}. For a trace of each pass them as a list.")
    return _encoded(pixels, [])


def encode_with_text(
    processors: Processors, read: Reader, text: str, images: Sequence[Image.Image], config: Any
) -> ModelInputs:
    """Images in a text, through the model's processor."""
    pixels = pixels_with_text(processors, text, images, config)
    if "input_ids" not in pixels.inputs:
        raise InputError("The model's processor makes no token ids of this text.")
    tokens = [read(one) for one in pixels.inputs["input_ids"][0].tolist()]
    return replace(_encoded(pixels, tokens), text=text)


def encode_ready_images(processors: Processors, read: Reader, given: Mapping[str, Any], config: Any) -> ModelInputs:
    """Ready inputs with `pixel_values`, with or without `input_ids`."""
    alone = given.get("input_ids") is None
    images = {
        str(name): _tensor(name, value)
        for name, value in given.items()
        if value is not None and (alone or _is_about_images(str(name)))
    }
    pixels = images["pixel_values"]
    if not pixels.is_floating_point() or pixels.ndim < 2:
        raise InputError(
            f"`pixel_values` are what an image processor makes, fractions [1, channel, height, width]; got {pixels.dtype} of "
            f"shape {list(pixels.shape)}."
        )
    laid_out = not _OF_LAYOUT & images.keys()
    if laid_out and pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        images["pixel_values"] = pixels[None]
    text = {name: value for name, value in given.items() if str(name) not in images and value is not None}
    if alone:
        if laid_out and images["pixel_values"].shape[0] != 1 and images["pixel_values"].ndim == 4:
            raise InputError(f"A trace is of one image; `pixel_values` hold {images['pixel_values'].shape[0]}.")
        return replace(_encoded(Pixels(images, seen(images, processors.image_processor, config), []), []), ready=True)
    encoded = encode_ready(read, text)
    own = Pixels({**encoded.inputs, **images}, seen(images, processors.image_processor, config), encoded.warnings)
    return replace(_encoded(own, encoded.tokens), ready=True)


PatchCache = dict[tuple[object, ...], Any]
"""What was seen of patches, by stack, the shape of the pixels, and the text."""


def with_patches(
    model: nn.Module, architecture: Architecture, encoded: ModelInputs, inputs: Mapping[str, Tensor], known: PatchCache
) -> ModelInputs:
    """The input with its patches as tokens: a vision stack's own, and those that stand among the tokens of a text."""
    looks = _Looks(model, architecture, inputs, known)
    vision = next((name for name, stack in architecture.stacks.items() if stack.query_side == "image"), None)
    if "input_ids" not in inputs:
        tokens, found_out = looks.vision_tokens(vision or next(iter(architecture.stacks)))
        return replace(encoded, tokens=tokens, warnings=[*encoded.warnings, *([] if found_out else [NO_PATCHES])])
    text = next((name for name, stack in architecture.stacks.items() if stack.query_side == "text"), None)
    found = None if text is None else looks.text_spots(text, vision)
    tokens = encoded.tokens if found is None else _among(encoded.tokens, found)
    image_tokens, found_out = (None, False) if vision is None else looks.vision_tokens(vision)
    warnings = [*encoded.warnings, *([] if found_out and found is not None else [NO_PATCHES])]
    return replace(encoded, tokens=tokens, image_tokens=image_tokens, warnings=warnings)


@dataclass(frozen=True)
class _Looks:
    """Looks for the parts of an image behind the positions of a model's stacks."""

    model: nn.Module
    architecture: Architecture
    inputs: Mapping[str, Tensor]
    known: PatchCache

    def vision_tokens(self, stack: str) -> tuple[list[Token], bool]:
        """A token for each position of a vision stack, and whether its patches are known."""
        key = (stack, self._layout())
        if key not in self.known:
            self.known[key] = self._vision_tokens(stack)
        return self.known[key]

    def text_spots(self, stack: str, vision: str | None) -> list[Spot | None] | None:
        """What each token of a text stands for in the images, None where that is not known."""
        ids = tuple(self.inputs["input_ids"][0].tolist())
        key = (stack, self._layout(), ids)
        if key not in self.known:
            self.known[key] = self._text_spots(stack, vision)
        return self.known[key]

    def _vision_tokens(self, stack: str) -> tuple[list[Token], bool]:
        paths = self._paths(stack)
        if not paths:  # weights that the model reports: nobody knows which modules they are from
            return [], False
        lookout = Lookout(paths[0])
        with prepared(self.model, None) as clone:
            size = self._patch()
            try:
                found = None if size is None else spots(clone, self.inputs, lookout, size, self._grids)
                count = position_count(clone, self.inputs, lookout)
            except LookupError:  # a module that is given its states otherwise: nothing to look at
                return [], False
            if found is None or not any(found):
                return [Token(f"position {i}", -1) for i in range(count)], False
            free = [i for i, spot in enumerate(found) if spot is None]
            names = special_names(clone, self.inputs, lookout, free) | self._padding(len(found))
        blank = [Token(names.get(i, f"[extra {i}]"), -1, special=spot is None) for i, spot in enumerate(found)]
        return _among(blank, found), True

    def _padding(self, count: int) -> dict[int, str]:
        """Names of the positions that only fill up the patches of an image."""
        mask = self.inputs.get("pixel_attention_mask")
        if mask is None or mask.numel() != count or self._grids is None:
            return {}
        return {i: "[padding]" for i, there in enumerate(mask.flatten().tolist()) if not there}

    def _text_spots(self, stack: str, vision: str | None) -> list[Spot | None] | None:
        size = self._patch()
        if size is None or vision is None or not self._paths(stack):
            return None
        left_out = tuple(dict.fromkeys(layer_path(path) for path in self._paths(vision)))
        with prepared(self.model, None) as clone:
            return spots(clone, self.inputs, Lookout(self._paths(stack)[0], left_out), size, self._grids)

    def _paths(self, stack: str) -> list[str]:
        """The modules that compute the attention of a stack, in order."""
        places = self.architecture.places
        return [path for place in places if place.stack == stack for path in places.paths(place)]

    def _layout(self) -> tuple[object, ...]:
        """What decides which patch is where."""
        return self.inputs["pixel_values"].shape, tuple(self._grids or ())

    @property
    def _grids(self) -> list[Grid] | None:
        """The grids of the patches that come one after another."""
        return grids_of(self.inputs, vision_config(self.model.config))

    def _patch(self) -> tuple[int, int] | None:
        pixels, grids = self.inputs["pixel_values"], self._grids
        if grids:
            return grids[0].patch, grids[0].patch
        laid_out = pixels.ndim >= 4 and pixels.shape[-3] in (1, 3)
        return patch_size(self.model, self.model.config) if laid_out else None


def _among(tokens: Sequence[Token], found: Sequence[Spot | None]) -> list[Token]:
    """The tokens, those that stand for a part of an image with their row and column in it."""
    rows = {spot.image: set[int]() for spot in found if spot is not None}
    columns = {image: set[int]() for image in rows}
    for spot in found:
        if spot is not None:
            rows[spot.image].add(spot.box[1])
            columns[spot.image].add(spot.box[0])
    row = {image: {y: i for i, y in enumerate(sorted(all_y))} for image, all_y in rows.items()}
    column = {image: {x: i for i, x in enumerate(sorted(all_x))} for image, all_x in columns.items()}
    return [
        token
        if spot is None
        else replace(
            token,
            text=f"patch {row[spot.image][spot.box[1]]},{column[spot.image][spot.box[0]]}",
            special=False,
            continues=False,
            raw=False,
            box=spot.box,
            image=spot.image,
        )
        for token, spot in zip(tokens, found, strict=True)
    ]


def _encoded(pixels: Pixels, tokens: list[Token]) -> ModelInputs:
    return ModelInputs(pixels.inputs, tokens, pixels.warnings, images=[kept(image) for image in pixels.seen])


_OF_LAYOUT = frozenset({"spatial_shapes", "pixel_position_ids", "target_sizes", "grid_thw", "image_grid_thw"})
"""Inputs beside which `pixel_values` are patches and no image."""

_PICTURE_PARTS = ("pixel", "image", "grid_thw", "spatial_shapes", "bool_masked_pos", "interpolate_pos_encoding")


def _is_about_images(name: str) -> bool:
    return any(part in name for part in _PICTURE_PARTS)


def _tensor(name: object, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name!r} is no array of numbers ({error}).") from error
