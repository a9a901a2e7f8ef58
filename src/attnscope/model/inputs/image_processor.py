"""What turns images into a model's inputs: its own image processor, or plain resizing where there is none."""

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
    """What a model came with: its tokenizer, its image processor, and the processor that holds both."""

    tokenizer: Any = None
    image_processor: Any = None
    processor: Any = None

    @classmethod
    def of(cls, given: Any) -> Processors:
        """From a tokenizer, an image processor or a full processor of transformers, or None."""
        if given is None:
            return cls()
        image_processor = getattr(given, "image_processor", None)
        tokenizer = getattr(given, "tokenizer", None)
        if image_processor is not None and not hasattr(given, "convert_ids_to_tokens"):
            return cls(tokenizer, image_processor, given)
        if hasattr(given, "preprocess") and not hasattr(given, "convert_ids_to_tokens"):
            return cls(image_processor=given)
        if isinstance(given, nn.Module) or not callable(given):
            raise InputError(
                "Beside a model goes its tokenizer, its image processor or its processor, as transformers loads it; got "
                f"{type(given).__name__}."
            )
        return cls(tokenizer if hasattr(given, "feature_extractor") and tokenizer is not None else given)


@dataclass(frozen=True)
class Pixels:
    """Images as a model's inputs, and how they look to it: its pixels after resizing and cropping, normalizing undone."""

    inputs: dict[str, Tensor]
    seen: list[Image.Image]
    warnings: list[str]


def pixels_of(processors: Processors, images: Sequence[Image.Image], config: Any) -> Pixels:
    """The inputs for images alone, through the image processor; without one, resized and scaled plainly, with a warning."""
    if processors.image_processor is None:
        return _plainly(images, config)
    inputs = _tensors(processors.image_processor(images=list(images), return_tensors="pt"))
    return Pixels(inputs, seen(inputs, processors.image_processor, config), [])


def pixels_with_text(processors: Processors, text: str, images: Sequence[Image.Image], config: Any) -> Pixels:
    """The inputs for a text with images in it, through the full processor.

    Images stand where the text has the processor's placeholder (`<image>`, say), or else before it.
    """
    if processors.processor is None:
        raise InputError(
            "A text with images needs the model's full processor, which knows where images stand in a text: "
            "`attnscope.Model(hf_model, processor)`; or pass ready inputs."
        )
    placeholder, warnings = placeholder_of(processors.processor), []
    missing = 0 if placeholder is None else len(images) - text.count(placeholder)
    if placeholder is not None and missing > 0:
        text = f"{placeholder * missing}\n{text}"
        warnings.append(f"The text had no {placeholder}, so the image was put before it.")
    try:
        found = processors.processor(text=text, images=list(images), return_tensors="pt")
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"The model's processor does not take this text with this image: {error}.") from error
    inputs = _tensors(found)
    return Pixels(inputs, seen(inputs, processors.image_processor, config), warnings)


def placeholder_of(processor: Any) -> str | None:
    """What a processor wants to be written where an image stands in a text."""
    for name in ("boi_token", "image_token", "image_placeholder"):
        token = getattr(processor, name, None)
        if token is not None:
            return str(token)
    return None


def seen(inputs: Mapping[str, Tensor], image_processor: Any, config: Any) -> list[Image.Image]:
    """The images in `pixel_values` [..., channel, height, width] with the processor's normalizing undone.

    Without a processor the values are stretched to the range of an image. An empty list where the pixels are not laid out
    as images.
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


def _plainly(images: Sequence[Image.Image], config: Any) -> Pixels:
    height, width = image_size(config)
    channels = int(getattr(vision_config(config), "num_channels", 3) or 3)
    made: list[Tensor] = []
    shown: list[Image.Image] = []
    for image in images:
        resized = image.resize((width, height), Image.Resampling.BICUBIC)
        array = np.asarray(resized.convert("L") if channels == 1 else resized, dtype=np.float32) / 127.5 - 1
        made.append(torch.from_numpy(array.reshape(height, width, channels)).permute(2, 0, 1).contiguous())
        shown.append(resized)
    sentence = (
        f"The model came without an image processor: the image was resized to {width} × {height} pixels and scaled to "
        "−1 … 1, which may not be what it was trained with."
    )
    return Pixels({"pixel_values": torch.stack(made)}, shown, [sentence])


def _tensors(found: Mapping[str, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
