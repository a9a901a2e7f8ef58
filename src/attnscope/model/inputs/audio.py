"""Sound as a model's input: a waveform through the processor's feature extractor, or inputs that are ready.

The positions of a speech encoder are stretches of time; their tokens are named after the second at which they begin
("0.02 s"). How many there are is known once the model has run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from attnscope.errors import InputError, MissingError
from attnscope.model.architecture.dummy_inputs import FEATURES
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.types import Token

WAVE = "input_values"

_FRAME_S = 0.01
"""The usual step between the frames of a spectrogram, for features that came without their extractor."""

_RATE = 16_000
"""The usual number of samples a second of speech models."""


def hears(model: nn.Module) -> bool:
    """Whether a model's input is sound."""
    return getattr(model, "main_input_name", None) in (FEATURES, WAVE)


def text_part(given: Any) -> Any:
    """The tokenizer of a processor that also reads sound, None of a mere feature extractor; all else is returned as it is."""
    if _extracts(getattr(given, "feature_extractor", None)):
        return getattr(given, "tokenizer", None)
    return None if _extracts(given) else given


def sound_part(given: Any) -> Any:
    """The feature extractor of a processor, or `given` itself if it is one; else None."""
    own = getattr(given, "feature_extractor", None)
    return own if _extracts(own) else given if _extracts(given) else None


def _extracts(given: Any) -> bool:
    return hasattr(given, "sampling_rate") and not hasattr(given, "convert_ids_to_tokens")


def encode_sound(extractor: Any, given: Any) -> ModelInputs:
    """A waveform (one channel, numbers from -1 to 1, at the extractor's sampling rate) or ready inputs, a batch of one.

    Raises `MissingError` for a waveform without a feature extractor, `InputError` for what is no sound.
    """
    if isinstance(given, Mapping):
        ready = {str(name): _tensor(str(name), value) for name, value in cast("Mapping[Any, Any]", given).items()}
        main = ready.get(FEATURES, ready.get(WAVE))
        if main is None or not main.is_floating_point():
            raise InputError(
                f"This model hears: its ready inputs need `{FEATURES}` or `{WAVE}`, fractions; got {', '.join(sorted(ready))}."
            )
        # [bin, frame], with the lengths of the sounds in it beside (Qwen Omni).
        in_one = FEATURES in ready and main.ndim == 2
        if main.shape[0] != 1 and not in_one:
            raise InputError(f"A trace is of one input; these inputs hold a batch of {main.shape[0]}.")
        return ModelInputs(ready, [], [], ready=True)
    wave = _wave(given)
    if extractor is None:
        raise MissingError(
            "A waveform goes through the model's feature extractor: `attnscope.Model(hf_model, processor)`; or pass ready inputs."
        )
    found = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    return ModelInputs({str(name): value for name, value in found.items() if isinstance(value, Tensor)}, [], [])


def times(extractor: Any, inputs: Mapping[str, Tensor], count: int) -> list[Token]:
    """A token for each of `count` positions, named after the second at which its stretch of the input begins."""
    rate = getattr(extractor, "sampling_rate", None) or _RATE
    if FEATURES in inputs:
        step = getattr(extractor, "hop_length", None)
        frames = max(inputs[FEATURES].shape[-2:])
        seconds = frames * (step / rate if isinstance(step, int) else _FRAME_S)
    else:
        seconds = inputs[WAVE].shape[-1] / rate
    each = seconds / count
    digits = 2 if each >= 0.01 else 4
    return [Token(f"{i * each:.{digits}f} s", -1) for i in range(count)]


def _wave(given: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    array = np.asarray(given)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        raise InputError(
            "A sound is one channel of fractions from -1 to 1 at the model's sampling rate, as an array [samples]; got "
            f"{array.dtype} of shape {list(array.shape)}."
        )
    return array.astype(np.float32)


def _tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name!r} is no array of numbers ({error}).") from error
