"""The part of `Model` that turns what was given into the model's inputs, within the limits of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

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
from attnscope.model.inputs.decoder_inputs import Target, parted, with_target
from attnscope.model.inputs.encode import Text, encode
from attnscope.model.inputs.features import holds_numbers
from attnscope.model.inputs.image_tokens import takes_pictures_only
from attnscope.model.inputs.model_inputs import Encoded, check_ids
from attnscope.model.seeing import Seeing
from attnscope.types import Observer


class Encoding(Seeing):
    """A part of `Model`."""

    def count_tokens(
        self, text: Text, pair: str | None = None, *, target: Target | None = None, max_tokens: int | None = None
    ) -> int:
        """How many positions a trace of this text has, on the longer side.

        The model is not run, so an output of its own is not counted. Raises `TooLongError` where the model has no positions for
        so many.
        """
        text, target = self._parted(text, target)
        encoded = self._source(text, pair, max_tokens)
        if target is not None and is_encoder_decoder(self.module):
            encoded = with_target(self.module, self.tokenizer, self._read, encoded, target)
        self._lengths(encoded)
        return max(len(tokens) for tokens in encoded.sides.values())

    def _parted(self, text: Text, target: Target | None) -> tuple[Text, Target | None]:
        """Source and target. Raises `InputError` for a target that nobody reads."""
        if is_encoder_decoder(self.module):
            return parted(text, target)
        if target is not None:
            raise InputError(f"{self.title} has no target side: `target` goes with encoder-decoder models.")
        return text, None

    def _encoded(
        self,
        text: Text,
        pair: str | None,
        target: Target | None = None,
        max_tokens: int | None = None,
        observer: Observer | None = None,
    ) -> Encoded:
        text, target = self._parted(text, target)
        encoded = self._source(text, pair, max_tokens)
        if is_encoder_decoder(self.module):
            self._lengths(encoded)
            encoded = with_target(self.module, self.tokenizer, self._read, encoded, target, observer)
        warnings = [*encoded.warnings, *self._lengths(encoded)]
        unknown = encoded.inputs.keys() - accepted(self.module, **encoded.inputs).keys() - {"input_ids"}
        if unknown and isinstance(text, Mapping):
            names = ", ".join(sorted(unknown))
            warnings.append(f"{type(self.module).__name__} takes no input of the name {names}; left out.")
        return replace(encoded, warnings=warnings)

    def _source(self, text: Text, pair: str | None, max_tokens: int | None) -> Encoded:
        if self._is_picture(text):
            return self._encoded_pictures(text, None)
        if not hears(self.module):
            self._check_reads(text)
            return encode(self.tokenizer, self._read, text, pair, max_tokens=max_tokens)
        if isinstance(text, str) or pair is not None or max_tokens is not None:
            raise InputError(f"{self.title} hears: pass a sound as an array of samples, or ready inputs.")
        return encode_sound(self._hearing, text)

    def _check_reads(self, given: Text) -> None:
        """Raise `InputError` for what a model of texts or of pictures has no input for."""
        numbers = isinstance(given, Mapping) and holds_numbers(given)
        if takes_pictures_only(self.module) and not numbers and not accepted(self.module, input_ids=None):
            got = "a mapping without `pixel_values`" if isinstance(given, Mapping) else type(given).__name__
            raise InputError(
                f"{self.title} reads pictures: pass a PIL image, a path, the bytes of a file, an array, or ready "
                f"`pixel_values`; got {got}."
            )
        if isinstance(given, Mapping) and numbers and not accepted(self.module, **given):
            raise InputError(f"{self.title} takes no input of the name {', '.join(sorted(map(str, given)))}.")

    def _lengths(self, encoded: Encoded) -> list[str]:
        """Warnings for more tokens than the model was made for. Raises `TooLongError` where it has no positions for them."""
        limits = side_limits(self.module)
        found: list[str] = []
        for side, tokens in encoded.sides.items():
            if side in limits:
                found += check_length(len(tokens), limits[side][0], hard=limits[side][1], what=side)
        return found

    def _inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        device = input_device(self.module)
        sizes = {"input_ids": vocabulary_size, "decoder_input_ids": target_vocabulary_size}
        for name in sizes.keys() & encoded.inputs.keys():
            check_ids(encoded.inputs[name], sizes[name](self.module))
        mask, implementation = (
            encoded.inputs.get("attention_mask"),
            getattr(self.module.config, "_attn_implementation", None),
        )
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
