"""`Preprocessor`: turns what was given into a model's inputs, within the limits of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from attnscope.capture import accepted
from attnscope.errors import InputError
from attnscope.model.architecture.dummy_inputs import FEATURES
from attnscope.model.hf.context_length import check_length, side_limits
from attnscope.model.hf.module_info import (
    first_dtype,
    input_device,
    is_encoder_decoder,
    target_vocabulary_size,
    vocabulary_size,
)
from attnscope.model.inputs.audio import WAVE, encode_sound, hears
from attnscope.model.inputs.decoder_inputs import Target, parted, targets_of, with_target
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.features import holds_numbers
from attnscope.model.inputs.image_processor import Processors
from attnscope.model.inputs.image_tokens import (
    encode_images,
    encode_ready_images,
    encode_with_text,
    takes_images,
    takes_images_only,
)
from attnscope.model.inputs.images import check_alone, images_of, is_image, is_list_of_images
from attnscope.model.inputs.input_kind import IMAGE_KINDS, InputKind
from attnscope.model.inputs.model_inputs import ModelInputs, check_ids
from attnscope.model.inputs.patch_boxes import patch_size
from attnscope.model.inputs.tokens import Reader, reader
from attnscope.model.inputs.trace_input import Batch, Text, TraceInput, batch_of, text_kind_of
from attnscope.types import Observer


class Preprocessor:
    """The tokenizer, image processor and feature extractor of one model, and what the model can be given.

    `read_input` decides what kind of input was given, `encode` makes model inputs of it without running the model,
    `complete` adds what the decoder of an encoder-decoder model writes itself, and `tensors` brings all to the model's device.
    """

    def __init__(self, module: nn.Module, processors: Processors, feature_extractor: Any, title: str) -> None:
        self.module = module
        self.processors = processors
        self.feature_extractor = feature_extractor
        self.title = title

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, or None."""
        return self.processors.tokenizer

    @cached_property
    def read(self) -> Reader:
        """From a token id to the token as a person reads it."""
        return reader(self.tokenizer)

    @property
    def takes(self) -> tuple[str, ...]:
        """What the model can be given: `text`, `image`, or both."""
        if takes_images_only(self.module):
            return ("image",)
        return ("text", "image") if takes_images(self.module) else ("text",)

    def read_input(
        self,
        text: Any,
        pair: str | Sequence[str] | None = None,
        *,
        target: Target | Sequence[Target] | None = None,
        image: Any = None,
        max_tokens: int | None = None,
    ) -> TraceInput | list[TraceInput]:
        """One input, or those of a batch, each with its kind."""
        if image is None and is_list_of_images(text):
            aims = targets_of(target, len(text))
            return [
                self.read_one(one, cast("str | None", pair), aim, None, max_tokens)
                for one, aim in zip(text, aims, strict=True)
            ]
        if image is not None or self._is_image(text):
            return self.read_one(text, cast("str | None", pair), cast("Target | None", target), image, max_tokens)
        batch = batch_of(cast("Text | Batch", text), pair)
        if batch is None:
            return self.read_one(text, cast("str | None", pair), cast("Target | None", target), None, max_tokens)
        aims = targets_of(target, len(batch))
        return [self.read_one(one, other, aim, None, max_tokens) for (one, other), aim in zip(batch, aims, strict=True)]

    def read_one(
        self,
        text: Any,
        pair: str | None = None,
        target: Target | None = None,
        image: Any = None,
        max_tokens: int | None = None,
    ) -> TraceInput:
        """One input with its kind, for callers that take no batches."""
        return TraceInput(self._kind_of(text, image), text, pair, target, image, max_tokens)

    def encode(self, given: TraceInput) -> ModelInputs:
        """The model inputs of one input, with its target where one was given. The model is not run.

        Raises `InputError` for what the model cannot be given, `MissingError` without the tokenizer that it takes.
        """
        value, target = self._parted(given.value, given.target)
        given = replace(given, value=value, target=target)
        if given.kind in IMAGE_KINDS:
            encoded = replace(self._encoded_images(given), kind=given.kind)
            check_alone(given.pair, given.max_tokens)
        elif given.kind == "audio":
            encoded = replace(self._encoded_audio(given), kind=given.kind)
        else:
            self._check_reads(value)
            encoded = encode(self.tokenizer, self.read, given)
        if target is None:
            return encoded
        if given.kind not in IMAGE_KINDS:
            self.length_warnings(encoded)
        return with_target(self.module, self.tokenizer, self.read, encoded, target)

    def encode_prompt(self, text: Any, pair: str | None = None, target: Target | None = None) -> ModelInputs:
        """The model inputs of a prompt that the model goes on from: a text, a chat, ids or ready inputs.

        `target` is what the decoder of an encoder-decoder model begins with.
        """
        if batch_of(text, pair) is not None:
            raise InputError("One text is continued at a time; got several.")
        if not is_encoder_decoder(self.module):
            if target is not None:
                raise InputError(no_target_side(type(self.module).__name__))
            return encode(self.tokenizer, self.read, TraceInput(text_kind_of(text), text, pair))
        source, beginning = parted(text, target)
        encoded = encode(self.tokenizer, self.read, TraceInput(text_kind_of(source), source, pair))
        if beginning is None:
            return encoded
        return with_target(self.module, self.tokenizer, self.read, encoded, beginning)

    def complete(self, encoded: ModelInputs, observer: Observer | None = None) -> ModelInputs:
        """The inputs with what the decoder reads, the model's own greedy output where no target was given; and with warnings.

        Raises `TooLongError` for more tokens than the model has positions for.
        """
        of_images = encoded.kind in IMAGE_KINDS
        if is_encoder_decoder(self.module) and encoded.target_tokens is None:
            if not of_images:
                self.length_warnings(encoded)
            encoded = with_target(self.module, self.tokenizer, self.read, encoded, None, observer)
        if of_images:
            return encoded
        warnings = [*encoded.warnings, *self.length_warnings(encoded)]
        unknown = encoded.inputs.keys() - accepted(self.module, **encoded.inputs).keys() - {"input_ids"}
        if unknown and encoded.ready:
            names = ", ".join(sorted(unknown))
            warnings.append(f"{type(self.module).__name__} takes no input of the name {names}; left out.")
        return replace(encoded, warnings=warnings)

    def count_positions(self, encoded: ModelInputs) -> int:
        """How many positions a trace has, on the longer side; of an image that stands alone, about how many.

        The model is not run, so an output of its own is not counted. Raises `TooLongError` where the model has no positions for
        so many.
        """
        if encoded.kind not in IMAGE_KINDS:
            self.length_warnings(encoded)
            return max(len(tokens) for tokens in encoded.sides.values())
        if encoded.tokens:
            return len(encoded.tokens)
        pixels, patch = encoded.inputs["pixel_values"], patch_size(self.module, self.module.config)
        height, width = pixels.shape[-2:]
        return height if patch is None or pixels.ndim < 4 else (height // patch[0]) * (width // patch[1]) + 1

    def tensors(self, encoded: ModelInputs) -> dict[str, Tensor]:
        """The inputs on the model's device, as far as its forward knows them."""
        device = input_device(self.module)
        sizes = {"input_ids": vocabulary_size, "decoder_input_ids": target_vocabulary_size}
        for name in sizes.keys() & encoded.inputs.keys():
            check_ids(encoded.inputs[name], sizes[name](self.module))
        mask = encoded.inputs.get("attention_mask")
        implementation = getattr(self.module.config, "_attn_implementation", None)
        if mask is not None and mask.ndim == 4 and mask.dtype == torch.bool and implementation == "eager":
            raise InputError(
                "This model's eager attention adds its mask to the scores, so true and false mean nothing to it; pass a mask of "
                "0 and the smallest number of its dtype."
            )
        inputs = {
            name: value.to(device, first_dtype(self.module)) if name in (FEATURES, WAVE) else value.to(device)
            for name, value in encoded.inputs.items()
        }
        main = {name: inputs.pop(name) for name in ("input_ids",) if name in inputs}
        return {**main, **accepted(self.module, **inputs)}

    def length_warnings(self, encoded: ModelInputs) -> list[str]:
        """Warnings for more tokens than the model was made for. Raises `TooLongError` where it has no positions for them."""
        limits = side_limits(self.module)
        found: list[str] = []
        for side, tokens in encoded.sides.items():
            if side in limits:
                found += check_length(len(tokens), limits[side][0], hard=limits[side][1], what=side)
        return found

    def _kind_of(self, given: Any, image: Any) -> InputKind:
        """The one place where the kinds of input are told apart. A string names an image where the model reads no text."""
        if image is not None or self._is_image(given):
            if isinstance(given, Mapping):
                return "image tensors"
            return "images" if image is None or given is None else "images in text"
        return "audio" if hears(self.module) else text_kind_of(given)

    def _is_image(self, given: Any) -> bool:
        """Whether `given` is an image, or ready inputs with one."""
        if isinstance(given, Mapping):
            return "pixel_values" in cast("Mapping[str, Any]", given)
        only = takes_images_only(self.module)
        return is_image(given) or (only and (isinstance(given, str) or hasattr(given, "__array__")))

    def _parted(self, text: Any, target: Target | None) -> tuple[Any, Target | None]:
        """Source and target. Raises `InputError` for a target that nobody reads."""
        if is_encoder_decoder(self.module):
            return parted(text, target)
        if target is not None:
            raise InputError(no_target_side(self.title))
        return text, None

    def _encoded_images(self, given: TraceInput) -> ModelInputs:
        text, config = given.value, self.module.config
        if not takes_images(self.module):
            raise InputError(f"{self.title} reads text, no images.")
        if given.kind == "image tensors":
            return encode_ready_images(self.processors, self.read, text, config)
        if given.kind == "images":
            alone = text if given.images is None else given.images
            return encode_images(self.processors, images_of(alone), config)
        if takes_images_only(self.module):
            raise InputError(f"{self.title} reads images, no text: `model.trace(image)`.")
        if not isinstance(text, str):
            raise InputError("Images (`image=`) go with a text; with ready inputs pass `pixel_values` in the mapping.")
        return encode_with_text(self.processors, self.read, text, images_of(given.images), config)

    def _encoded_audio(self, given: TraceInput) -> ModelInputs:
        if isinstance(given.value, str) or given.pair is not None or given.max_tokens is not None:
            raise InputError(f"{self.title} hears: pass a sound as an array of samples, or ready inputs.")
        return encode_sound(self.feature_extractor, given.value)

    def _check_reads(self, given: Any) -> None:
        """Raise `InputError` for what a model of texts or of images has no input for."""
        numbers = isinstance(given, Mapping) and holds_numbers(cast("Mapping[str, Any]", given))
        if takes_images_only(self.module) and not numbers and not accepted(self.module, input_ids=None):
            got = "a mapping without `pixel_values`" if isinstance(given, Mapping) else type(given).__name__
            raise InputError(
                f"{self.title} reads images: pass a PIL image, a path, the bytes of a file, an array, or ready "
                f"`pixel_values`; got {got}."
            )
        if numbers and not accepted(self.module, **given):
            raise InputError(f"{self.title} takes no input of the name {', '.join(sorted(map(str, given)))}.")


def no_target_side(name: str) -> str:
    """The error message for a target that no decoder reads. `name` is the model's."""
    return f"{name} has no target side: `target` goes with encoder-decoder models."
