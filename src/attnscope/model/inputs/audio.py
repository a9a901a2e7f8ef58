"""Audio as a model's input: a waveform for the processor's feature extractor, or ready inputs.

The positions of a speech encoder are time spans; their tokens are named after the second at which they begin ("0.02 s"). Their
number is known only after the model has run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from attnscope.errors import InputError, MissingError
from attnscope.model.architecture.dummy_inputs import FEATURES
from attnscope.model.inputs.model_inputs import ModelInputs, as_tensor
from attnscope.types import Token

WAVE = "input_values"

_FRAME_S = 0.01
"""The usual time between the frames of a spectrogram in seconds, for features without their extractor."""

_RATE = 16_000
"""The usual sampling rate of speech models, in samples per second."""


def takes_audio(model: nn.Module) -> bool:
    """Whether a model's input is audio."""
    return getattr(model, "main_input_name", None) in (FEATURES, WAVE)


def without_feature_extractor(processor: Any) -> Any:
    """The tokenizer of a processor that also has a feature extractor; None for a feature extractor; anything else unchanged."""
    if _is_feature_extractor(getattr(processor, "feature_extractor", None)):
        return getattr(processor, "tokenizer", None)
    return None if _is_feature_extractor(processor) else processor


def feature_extractor_of(processor: Any) -> Any:
    """The feature extractor of a processor, or `processor` itself if it is one; otherwise None."""
    part = getattr(processor, "feature_extractor", None)
    return part if _is_feature_extractor(part) else processor if _is_feature_extractor(processor) else None


def _is_feature_extractor(audio: Any) -> bool:
    return hasattr(audio, "sampling_rate") and not hasattr(audio, "convert_ids_to_tokens")


def encode_audio(extractor: Any, audio: Any) -> ModelInputs:
    """Encode a waveform or ready inputs (a batch of one).

    A waveform is one channel with numbers from -1 to 1 at the extractor's sampling rate. Raises `MissingError` for a waveform
    without a feature extractor, `InputError` for anything that is not audio.
    """
    if isinstance(audio, Mapping):
        ready = {str(name): as_tensor(str(name), value) for name, value in cast("Mapping[Any, Any]", audio).items()}
        main = ready.get(FEATURES, ready.get(WAVE))
        if main is None or not main.is_floating_point():
            raise InputError(
                f"This model reads audio, so its ready inputs need `{FEATURES}` or `{WAVE}` with "
                f"floating-point numbers; got {', '.join(sorted(ready))}."
            )
        # [bin, frame], with the lengths of the recordings as another input (Qwen Omni)
        concatenated = FEATURES in ready and main.ndim == 2
        if main.shape[0] != 1 and not concatenated:
            raise InputError(f"A trace covers one input, but these inputs are a batch of {main.shape[0]}.")
        return ModelInputs(ready, [], [], ready=True)
    wave = _wave(audio)
    if extractor is None:
        raise MissingError(
            "A waveform needs the model's feature extractor: wrap the model with `attnscope.Model(hf_model, "
            "processor)`, or pass ready inputs."
        )
    found = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    return ModelInputs({str(name): value for name, value in found.items() if isinstance(value, Tensor)}, [], [])


def time_tokens(extractor: Any, inputs: Mapping[str, Tensor], count: int) -> list[Token]:
    """A token for each of `count` positions, named after the second at which its time span begins."""
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


def _wave(audio: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    array = np.asarray(audio)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        raise InputError(
            "Audio must be a floating-point array [samples]: one channel with values from -1 to 1 at the model's "
            f"sampling rate. Got {array.dtype} of shape {list(array.shape)}."
        )
    return array.astype(np.float32)
