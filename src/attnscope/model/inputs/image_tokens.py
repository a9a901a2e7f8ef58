"""Encode inputs with images, and find the tokens that their patches become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PIL import Image
from torch import Tensor, nn

from attnscope.capture import forward_parameters, prepared
from attnscope.errors import InputError
from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.vision_config import vision_config
from attnscope.model.inputs.image_processor import Pixels, Processors, images_from_pixels, pixels_of, pixels_with_text
from attnscope.model.inputs.images import stored_image
from attnscope.model.inputs.model_inputs import ModelInputs, as_tensor
from attnscope.model.inputs.patch_boxes import (
    ImageRegion,
    WatchPoint,
    image_regions,
    layer_path,
    patch_size,
    position_count,
    special_names,
)
from attnscope.model.inputs.patch_grid import Grid, grids_of
from attnscope.model.inputs.special_token_warnings import doubled_special_tokens
from attnscope.model.inputs.tensors import encode_ready
from attnscope.model.inputs.text import text_ids
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Token

NO_PATCHES = (
    "attnscope could not find out which part of the image each position stands for (no position depends on a "
    "single patch), so it does not highlight parts of the image."
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
    return set(forward_parameters(model))


def encode_images(processors: Processors, images: Sequence[Image.Image], config: Any) -> ModelInputs:
    """Encode images without a text. Their tokens follow once the model has been examined (`with_patches`)."""
    pixels = pixels_of(processors, images, config)
    shape = pixels.inputs["pixel_values"].shape
    if len(shape) == 4 and shape[0] > 1:
        raise InputError(f"A trace covers one image; got {shape[0]}. Pass a list of images for one trace each.")
    return _encoded(pixels, [])


def encode_with_text(
    processors: Processors, read: Reader, text: str, images: Sequence[Image.Image], config: Any
) -> ModelInputs:
    """Encode images in a text, with the model's processor."""
    pixels = pixels_with_text(processors, text, images, config)
    if "input_ids" not in pixels.inputs:
        raise InputError("The model's processor returns no token ids for this text.")
    tokens = read.all(pixels.inputs["input_ids"][0].tolist())
    encoded = _encoded(pixels, tokens)
    doubled = doubled_special_tokens(tokens, [text], partial(text_ids, processors.tokenizer))
    return replace(encoded, text=text, warnings=[*encoded.warnings, *doubled])


def encode_ready_images(processors: Processors, read: Reader, ready: Mapping[str, Any], config: Any) -> ModelInputs:
    """Encode ready inputs with `pixel_values`, with or without `input_ids`."""
    alone = ready.get("input_ids") is None
    images = {
        str(name): as_tensor(name, value)
        for name, value in ready.items()
        if value is not None and (alone or _is_about_images(str(name)))
    }
    pixels = images["pixel_values"]
    if not pixels.is_floating_point() or pixels.ndim < 2:
        raise InputError(
            "`pixel_values` must be floating-point numbers [1, channel, height, width], as an image processor "
            f"returns; got {pixels.dtype} of shape {list(pixels.shape)}."
        )
    laid_out = not _PATCH_LAYOUT & images.keys()
    if laid_out and pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        images["pixel_values"] = pixels[None]
    text = {name: value for name, value in ready.items() if str(name) not in images and value is not None}
    if alone:
        if laid_out and images["pixel_values"].shape[0] != 1 and images["pixel_values"].ndim == 4:
            raise InputError(
                f"A trace covers one image, but `pixel_values` is a batch of {images['pixel_values'].shape[0]}."
            )
        shown = images_from_pixels(images, processors.image_processor, config)
        return replace(_encoded(Pixels(images, shown, []), []), ready=True)
    encoded = encode_ready(read, text)
    shown = images_from_pixels(images, processors.image_processor, config)
    combined = Pixels({**encoded.inputs, **images}, shown, encoded.warnings)
    return replace(_encoded(combined, encoded.tokens), ready=True)


PatchCache = dict[tuple[object, ...], Any]
"""What was found out about patches, by stack, the shape of the pixels, and the text."""


def with_patches(
    model: nn.Module, architecture: Architecture, encoded: ModelInputs, inputs: Mapping[str, Tensor], cache: PatchCache
) -> ModelInputs:
    """Add the patches of an input as tokens: those of a vision stack, and those among the tokens of a text."""
    finder = _PatchFinder(model, architecture, inputs, cache)
    vision = next((name for name, stack in architecture.stacks.items() if stack.query_side == "image"), None)
    if "input_ids" not in inputs:
        tokens, patches_known = finder.vision_tokens(vision or next(iter(architecture.stacks)))
        return replace(encoded, tokens=tokens, warnings=[*encoded.warnings, *([] if patches_known else [NO_PATCHES])])
    text = next((name for name, stack in architecture.stacks.items() if stack.query_side == "text"), None)
    found = None if text is None else finder.text_regions(text, vision)
    tokens = encoded.tokens if found is None else _with_regions(encoded.tokens, found)
    image_tokens, patches_known = (None, False) if vision is None else finder.vision_tokens(vision)
    warnings = [*encoded.warnings, *([] if patches_known and found is not None else [NO_PATCHES])]
    return replace(encoded, tokens=tokens, image_tokens=image_tokens, warnings=warnings)


@dataclass(frozen=True)
class _PatchFinder:
    """Find the part of an image that each position of a model's stacks stands for."""

    model: nn.Module
    architecture: Architecture
    inputs: Mapping[str, Tensor]
    cache: PatchCache

    def vision_tokens(self, stack: str) -> tuple[list[Token], bool]:
        """A token for each position of a vision stack, and whether its patches are known."""
        key = (stack, self._layout())
        if key not in self.cache:
            self.cache[key] = self._vision_tokens(stack)
        return self.cache[key]

    def text_regions(self, stack: str, vision: str | None) -> list[ImageRegion | None] | None:
        """The part of an image that each token of a text stands for; None if unknown."""
        ids = tuple(self.inputs["input_ids"][0].tolist())
        key = (stack, self._layout(), ids)
        if key not in self.cache:
            self.cache[key] = self._text_regions(stack, vision)
        return self.cache[key]

    def _vision_tokens(self, stack: str) -> tuple[list[Token], bool]:
        paths = self._paths(stack)
        if not paths:  # the model reports its weights, and it is unknown which modules compute them
            return [], False
        watch_point = WatchPoint(paths[0])
        with prepared(self.model, None) as clone:
            size = self._patch()
            try:
                found = None if size is None else image_regions(clone, self.inputs, watch_point, size, self._grids)
                count = position_count(clone, self.inputs, watch_point)
            except LookupError:  # the module receives its states in another way, so there is nothing to watch
                return [], False
            if found is None or not any(found):
                return [Token(f"position {i}", -1) for i in range(count)], False
            unchanged = [i for i, region in enumerate(found) if region is None]
            names = special_names(clone, self.inputs, watch_point, unchanged) | self._padding(len(found))
        blank = [Token(names.get(i, f"[extra {i}]"), -1, special=region is None) for i, region in enumerate(found)]
        return _with_regions(blank, found), True

    def _padding(self, count: int) -> dict[int, str]:
        """Names for positions that only pad the patches of an image."""
        mask = self.inputs.get("pixel_attention_mask")
        if mask is None or mask.numel() != count or self._grids is None:
            return {}
        return {i: "[padding]" for i, there in enumerate(mask.flatten().tolist()) if not there}

    def _text_regions(self, stack: str, vision: str | None) -> list[ImageRegion | None] | None:
        size = self._patch()
        if size is None or vision is None or not self._paths(stack):
            return None
        skipped = tuple(dict.fromkeys(layer_path(path) for path in self._paths(vision)))
        with prepared(self.model, None) as clone:
            return image_regions(clone, self.inputs, WatchPoint(self._paths(stack)[0], skipped), size, self._grids)

    def _paths(self, stack: str) -> list[str]:
        """The paths of the modules that compute the attention of a stack, in order."""
        places = self.architecture.places
        return [path for place in places if place.stack == stack for path in places.paths(place)]

    def _layout(self) -> tuple[object, ...]:
        """What determines the position of each patch."""
        return self.inputs["pixel_values"].shape, tuple(self._grids or ())

    @property
    def _grids(self) -> list[Grid] | None:
        """The grids of patches that come as a sequence."""
        return grids_of(self.inputs, vision_config(self.model.config))

    def _patch(self) -> tuple[int, int] | None:
        pixels, grids = self.inputs["pixel_values"], self._grids
        if grids:
            return grids[0].patch, grids[0].patch
        laid_out = pixels.ndim >= 4 and pixels.shape[-3] in (1, 3)
        return patch_size(self.model, self.model.config) if laid_out else None


def _with_regions(tokens: Sequence[Token], found: Sequence[ImageRegion | None]) -> list[Token]:
    """The tokens, where those that stand for a part of an image carry its row and column, box and image."""
    rows = {region.image: set[int]() for region in found if region is not None}
    columns = {image: set[int]() for image in rows}
    for region in found:
        if region is not None:
            rows[region.image].add(region.box[1])
            columns[region.image].add(region.box[0])
    row = {image: {y: i for i, y in enumerate(sorted(all_y))} for image, all_y in rows.items()}
    column = {image: {x: i for i, x in enumerate(sorted(all_x))} for image, all_x in columns.items()}
    return [
        token
        if region is None
        else replace(
            token,
            text=f"patch {row[region.image][region.box[1]]},{column[region.image][region.box[0]]}",
            special=False,
            continues=False,
            raw=False,
            box=region.box,
            image=region.image,
        )
        for token, region in zip(tokens, found, strict=True)
    ]


def _encoded(pixels: Pixels, tokens: list[Token]) -> ModelInputs:
    return ModelInputs(pixels.inputs, tokens, pixels.warnings, images=[stored_image(image) for image in pixels.images])


_PATCH_LAYOUT = frozenset({"spatial_shapes", "pixel_position_ids", "target_sizes", "grid_thw", "image_grid_thw"})
"""Inputs whose presence means that `pixel_values` are patches, not images."""

_IMAGE_NAME_PARTS = ("pixel", "image", "grid_thw", "spatial_shapes", "bool_masked_pos", "interpolate_pos_encoding")


def _is_about_images(name: str) -> bool:
    return any(part in name for part in _IMAGE_NAME_PARTS)
