"""`Preprocessor`: turn the user's input into model inputs, within the limits of the model."""

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
from attnscope.model.hf.context_length import check_length, check_size, side_limits
from attnscope.model.hf.module_info import (
    first_dtype,
    input_device,
    is_encoder_decoder,
    target_vocabulary_size,
    vocabulary_size,
)
from attnscope.model.inputs.audio import WAVE, encode_audio, takes_audio
from attnscope.model.inputs.decoder_inputs import Target, split_target, targets_of, with_target
from attnscope.model.inputs.encode import check_text_options, encode
from attnscope.model.inputs.features import has_features
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
from attnscope.model.inputs.sentences import SentenceStart, starts_of
from attnscope.model.inputs.tokens import Reader, reader
from attnscope.model.inputs.trace_input import Batch, Text, TraceInput, batch_of, text_kind_of
from attnscope.model.inputs.vocabularies import separate_vocabulary
from attnscope.types import Observer


class Preprocessor:
    """The tokenizer, image processor and feature extractor of one model, and the kinds of input that the model accepts.

    `read_input` decides the kind of an input, `encode` turns it into model inputs without running the model, `complete` adds
    the target that the decoder of an encoder-decoder model generates itself, and `tensors` moves everything to the model's
    device.
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
        """The reader of the tokens of a text, or of the source of an encoder-decoder model."""
        return reader(self.tokenizer)

    @cached_property
    def read_output(self) -> Reader:
        """The reader of the tokens that the model predicts, and of the target of an encoder-decoder model."""
        separate = is_encoder_decoder(self.module) and separate_vocabulary(self.tokenizer, "target") is not None
        return reader(self.tokenizer, "target") if separate else self.read

    @property
    def takes(self) -> tuple[str, ...]:
        """The kinds of input that the model accepts: `text`, `image`, or both."""
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
        sentence_b_start: SentenceStart = None,
        continue_final_message: bool = False,
    ) -> TraceInput | list[TraceInput]:
        """One input, or the inputs of a batch, each with its kind."""
        of_images = image is None and is_list_of_images(text)
        batch: list[tuple[Any, str | None]] | None = None
        if of_images:
            batch = [(one, cast("str | None", pair)) for one in text]
        elif image is None and not self._is_image(text):
            batch = batch_of(cast("Text | Batch", text), pair)
        if batch is None:
            return self.read_one(
                text,
                cast("str | None", pair),
                cast("Target | None", target),
                image,
                max_tokens,
                sentence_b_start=sentence_b_start,
                continue_final_message=continue_final_message,
            )
        targets, starts = targets_of(target, len(batch)), starts_of(sentence_b_start, text, len(batch))
        return [
            self.read_one(
                one,
                other,
                its_target,
                None,
                max_tokens,
                sentence_b_start=start,
                continue_final_message=continue_final_message,
            )
            for (one, other), its_target, start in zip(batch, targets, starts, strict=True)
        ]

    def read_one(
        self,
        text: Any,
        pair: str | None = None,
        target: Target | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        *,
        sentence_b_start: SentenceStart = None,
        continue_final_message: bool = False,
    ) -> TraceInput:
        """One input with its kind, for callers that do not accept batches."""
        (start,) = starts_of(sentence_b_start, text, 1)
        kind = self._kind_of(text, image)
        return TraceInput(kind, text, pair, target, image, max_tokens, start, continue_final_message)

    def encode(self, trace_input: TraceInput, observer: Observer | None = None) -> ModelInputs:
        """The model inputs of one input, with its target if there is one. The model does not run.

        An observer can cancel the rendering of a chat.

        Raises `InputError` for an input that the model does not accept, `MissingError` without the tokenizer or processor that
        the input needs.
        """
        value, target = self._split_target(trace_input.value, trace_input.target)
        trace_input = replace(trace_input, value=value, target=target)
        if trace_input.kind in IMAGE_KINDS or trace_input.kind == "audio":
            check_text_options(trace_input)
        if trace_input.kind in IMAGE_KINDS:
            encoded = replace(self._encoded_images(trace_input), kind=trace_input.kind)
            check_alone(trace_input.pair, trace_input.max_tokens)
        elif trace_input.kind == "audio":
            encoded = replace(self._encoded_audio(trace_input), kind=trace_input.kind)
        else:
            self._check_accepts(value)
            if trace_input.max_tokens is None:  # else it is cut
                self._check_size(value, trace_input.pair)
            encoded = encode(self.tokenizer, self.read, trace_input, observer)
        if target is None:
            return encoded
        if trace_input.kind not in IMAGE_KINDS:
            self.length_warnings(encoded)
        return with_target(self.module, self.tokenizer, self.read_output, encoded, target)

    def encode_prompt(
        self,
        text: Any,
        pair: str | None = None,
        target: Target | None = None,
        image: Any = None,
        *,
        sentence_b_start: int | None = None,
        continue_final_message: bool = False,
        observer: Observer | None = None,
    ) -> ModelInputs:
        """The model inputs of a prompt to continue: anything that `trace` reads, but not several inputs.

        `target` is the beginning of the target of an encoder-decoder model.
        """
        if is_list_of_images(text) or (not self._is_image(text) and batch_of(text, pair) is not None):
            raise InputError("Pass a single prompt to continue; got several.")
        return self.encode(
            self.read_one(
                text,
                pair,
                target,
                image,
                sentence_b_start=sentence_b_start,
                continue_final_message=continue_final_message,
            ),
            observer,
        )

    def complete(self, encoded: ModelInputs, observer: Observer | None = None) -> ModelInputs:
        """Add what the decoder reads (without a target, the model's own greedy output), and warnings.

        Raises `TooLongError` for more tokens than the model has positions for.
        """
        of_images = encoded.kind in IMAGE_KINDS
        if is_encoder_decoder(self.module) and encoded.target_tokens is None:
            if not of_images:
                self.length_warnings(encoded)
            encoded = with_target(self.module, self.tokenizer, self.read_output, encoded, None, observer)
        if of_images:
            return encoded
        warnings = [*encoded.warnings, *self.length_warnings(encoded)]
        unknown = encoded.inputs.keys() - accepted(self.module, **encoded.inputs).keys() - {"input_ids"}
        if unknown and encoded.ready:
            names = ", ".join(sorted(unknown))
            warnings.append(f"{type(self.module).__name__} has no input named {names}, so it was dropped.")
        return replace(encoded, warnings=warnings)

    def count_positions(self, encoded: ModelInputs) -> int:
        """The number of positions of a trace, on the longer side; an estimate for an image without a text.

        The model does not run, so a target that it would generate itself does not count. Raises `TooLongError` if the model has
        too few positions.
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
        """The inputs on the model's device, without those that its forward method does not accept."""
        device = input_device(self.module)
        sizes = {"input_ids": vocabulary_size, "decoder_input_ids": target_vocabulary_size}
        for name in sizes.keys() & encoded.inputs.keys():
            check_ids(encoded.inputs[name], sizes[name](self.module))
        mask = encoded.inputs.get("attention_mask")
        implementation = getattr(self.module.config, "_attn_implementation", None)
        if mask is not None and mask.ndim == 4 and mask.dtype == torch.bool and implementation == "eager":
            raise InputError(
                "This model's eager attention adds its mask to the scores, so it does not support a boolean "
                "mask. Pass a mask of 0 and the smallest number of its dtype."
            )
        inputs = {
            name: value.to(device, first_dtype(self.module)) if name in (FEATURES, WAVE) else value.to(device)
            for name, value in encoded.inputs.items()
        }
        main = {name: inputs.pop(name) for name in ("input_ids",) if name in inputs}
        return {**main, **accepted(self.module, **inputs)}

    def length_warnings(self, encoded: ModelInputs) -> list[str]:
        """Warnings for more tokens than the model was designed for. Raises `TooLongError` if it has too few positions."""
        limits = side_limits(self.module)
        found: list[str] = []
        for side, tokens in encoded.sides.items():
            if side in limits:
                found += check_length(len(tokens), limits[side][0], hard=limits[side][1], what=side)
        return found

    def _check_size(self, text: Any, pair: Any) -> None:
        """Raise `TooLongError` for a text that is too long by far."""
        limit, _ = next(iter(side_limits(self.module).values()))
        check_size(sum(len(part) for part in (text, pair) if isinstance(part, str)), limit)

    def _kind_of(self, value: Any, image: Any) -> InputKind:
        """The kind of an input; nothing else decides it. A string is the path of an image if the model reads no text."""
        if image is not None or self._is_image(value):
            if isinstance(value, Mapping):
                return "image tensors"
            return "images" if image is None or value is None else "images in text"
        return "audio" if takes_audio(self.module) else text_kind_of(value)

    def _is_image(self, value: Any) -> bool:
        """Whether `value` is an image, or ready inputs with one."""
        if isinstance(value, Mapping):
            return "pixel_values" in cast("Mapping[str, Any]", value)
        only = takes_images_only(self.module)
        return is_image(value) or (only and (isinstance(value, str) or hasattr(value, "__array__")))

    def _split_target(self, text: Any, target: Target | None) -> tuple[Any, Target | None]:
        """Source and target. Raises `InputError` for a target if the model has no decoder to read it."""
        if is_encoder_decoder(self.module):
            return split_target(text, target)
        if target is not None:
            raise InputError(no_target_side(self.title))
        return text, None

    def _encoded_images(self, trace_input: TraceInput) -> ModelInputs:
        text, config = trace_input.value, self.module.config
        if not takes_images(self.module):
            raise InputError(no_image_input(self.title))
        if trace_input.kind == "image tensors":
            return encode_ready_images(self.processors, self.read, text, config)
        if trace_input.kind == "images":
            alone = text if trace_input.images is None else trace_input.images
            return encode_images(self.processors, images_of(alone), config)
        if takes_images_only(self.module):
            raise InputError(f"{no_text_input(self.title)} Pass only the image: `model.trace(image)`.")
        if not isinstance(text, str):
            raise InputError("`image` needs a text. To use ready inputs, put `pixel_values` into the mapping.")
        return encode_with_text(self.processors, self.read, text, images_of(trace_input.images), config)

    def _encoded_audio(self, trace_input: TraceInput) -> ModelInputs:
        if isinstance(trace_input.value, str) or trace_input.pair is not None or trace_input.max_tokens is not None:
            raise InputError(f"{self.title} reads audio only. Pass an array of samples, or ready inputs.")
        return encode_audio(self.feature_extractor, trace_input.value)

    def _check_accepts(self, value: Any) -> None:
        """Raise `InputError` for an input that a text or image model does not accept."""
        numbers = isinstance(value, Mapping) and has_features(cast("Mapping[str, Any]", value))
        if takes_images_only(self.module) and not numbers and not accepted(self.module, input_ids=None):
            got = "a mapping without `pixel_values`" if isinstance(value, Mapping) else type(value).__name__
            raise InputError(
                f"{no_text_input(self.title)} Pass a PIL image, a path, the bytes of a file, an array, or ready "
                f"`pixel_values`; got {got}."
            )
        if numbers and not accepted(self.module, **value):
            raise InputError(f"{self.title} has no input named {', '.join(sorted(map(str, value)))}.")


def no_image_input(name: str) -> str:
    """The error message for an image that the model cannot read. `name` is the model's title."""
    return f"{name} reads text only, not images."


def no_text_input(name: str) -> str:
    """The error message for a text that the model cannot read. `name` is the model's title."""
    return f"{name} reads images only, not text."


def no_target_side(name: str) -> str:
    """The error message for a target that no decoder reads. `name` is the model's title."""
    return f"{name} has no target side. `target` works only with encoder-decoder models."
