"""Turn images into model inputs: with the model's image processor, or by plain resizing if there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from attnscope.errors import InputError
from attnscope.model.hf.vision_config import image_size, vision_config
from attnscope.model.inputs.patch_grid import grids_of, groups_of


@dataclass(frozen=True)
class Processors:
    """What a model came with: its tokenizer, its image processor, and the processor that contains both."""

    tokenizer: Any = None
    image_processor: Any = None
    processor: Any = None

    @classmethod
    def of(cls, processor: Any) -> Processors:
        """Sort a tokenizer, an image processor or a full processor of transformers into its parts; None gives no parts."""
        if processor is None:
            return cls()
        image_processor = getattr(processor, "image_processor", None)
        tokenizer = getattr(processor, "tokenizer", None)
        if image_processor is not None and not hasattr(processor, "convert_ids_to_tokens"):
            return cls(tokenizer, image_processor, processor)
        if hasattr(processor, "preprocess") and not hasattr(processor, "convert_ids_to_tokens"):
            return cls(image_processor=processor)
        if isinstance(processor, nn.Module) or not callable(processor):
            raise InputError(
                "The second argument must be the model's tokenizer, image processor or processor, as "
                f"transformers loads it; got {type(processor).__name__}."
            )
        return cls(tokenizer if hasattr(processor, "feature_extractor") and tokenizer is not None else processor)


@dataclass(frozen=True)
class Pixels:
    """Images as model inputs, with the images as the model sees them (after resizing and cropping, normalization undone)."""

    inputs: dict[str, Tensor]
    images: list[Image.Image]
    warnings: list[str]


def pixels_of(processors: Processors, images: Sequence[Image.Image], config: Any) -> Pixels:
    """The inputs for images without a text. Without an image processor, images are only resized and scaled, with a warning."""
    if processors.image_processor is None:
        return _resized(images, config)
    inputs = _tensors(processors.image_processor(images=list(images), return_tensors="pt"))
    return Pixels(inputs, images_from_pixels(inputs, processors.image_processor, config), [])


def pixels_with_text(processors: Processors, text: str, images: Sequence[Image.Image], config: Any) -> Pixels:
    """The inputs for a text with images, from the full processor.

    Images go where the text has the processor's placeholder (`<image>`, for example), otherwise before the text.
    """
    if processors.processor is None:
        raise InputError(
            "A text with images needs the model's full processor, which places the images in the text. Wrap the "
            "model with `attnscope.Model(hf_model, processor)`, or pass ready inputs."
        )
    placeholder, warnings = placeholder_of(processors.processor), []
    missing = 0 if placeholder is None else len(images) - text.count(placeholder)
    if placeholder is not None and missing > 0:
        text = f"{placeholder * missing}\n{text}"
        warnings.append(f"The text has no {placeholder}, so the image was placed before it.")
    try:
        found = processors.processor(text=text, images=list(images), return_tensors="pt")
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"The model's processor rejects this text with this image: {error}.") from error
    inputs = _tensors(found)
    return Pixels(inputs, images_from_pixels(inputs, processors.image_processor, config), warnings)


def placeholder_of(processor: Any) -> str | None:
    """The placeholder that a processor expects in a text in place of an image; None if it has none."""
    for name in ("boi_token", "image_token", "image_placeholder"):
        token = getattr(processor, name, None)
        if token is not None:
            return str(token)
    return None


def images_from_pixels(inputs: Mapping[str, Tensor], image_processor: Any, config: Any) -> list[Image.Image]:
    """The images in `pixel_values` [..., channel, height, width], with the processor's normalization undone.

    Without a processor the values are stretched to the range of an image. The list is empty if the pixels are not laid out as
    images.
    """
    pixels, grids = inputs.get("pixel_values"), grids_of(inputs, vision_config(config))
    if pixels is None:
        return []
    if grids is not None:
        patches = groups_of(pixels.detach().float().cpu())
        return [_image(grid.image(patches), image_processor) for grid in grids]
    if pixels.ndim < 3 or pixels.shape[-3] not in (1, 3):
        return []
    flat = pixels.detach().float().cpu().reshape(-1, *pixels.shape[-3:])
    return [_image(one, image_processor) for one in flat]


def _image(pixels: Tensor, image_processor: Any) -> Image.Image:
    array = pixels.permute(1, 2, 0).numpy()
    if image_processor is None:
        low, high = float(array.min()), float(array.max())
        array = (array - low) / max(high - low, 1e-12) if not (low >= 0 and high <= 1) else array
    else:
        if getattr(image_processor, "do_normalize", False):
            array = array * np.asarray(image_processor.image_std) + np.asarray(image_processor.image_mean)
        if not getattr(image_processor, "do_rescale", True):
            array = array / 255
    whole = np.clip(np.round(array * 255), 0, 255).astype(np.uint8)
    return Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole).convert("RGB")


def _resized(images: Sequence[Image.Image], config: Any) -> Pixels:
    height, width = image_size(config)
    channels = int(getattr(vision_config(config), "num_channels", 3) or 3)
    tensors: list[Tensor] = []
    shown: list[Image.Image] = []
    for image in images:
        resized = image.resize((width, height), Image.Resampling.BICUBIC)
        array = np.asarray(resized.convert("L") if channels == 1 else resized, dtype=np.float32) / 127.5 - 1
        tensors.append(torch.from_numpy(array.reshape(height, width, channels)).permute(2, 0, 1).contiguous())
        shown.append(resized)
    warning = (
        f"The model has no image processor, so the image was resized to {width} × {height} pixels and scaled to "
        "−1 … 1. The model may have been trained with other values."
    )
    return Pixels({"pixel_values": torch.stack(tensors)}, shown, [warning])


def _tensors(found: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
