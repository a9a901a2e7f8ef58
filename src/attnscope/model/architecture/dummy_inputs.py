"""The inputs for the probe: a few tokens, or a source and a target of different lengths.

Architectures are cached by the kind of input, which is the set of its input names. If no small example of a kind can be made up
here, the first real input of that kind is used for the probe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.errors import UnsupportedError
from attnscope.model.hf.module_info import first_dtype, input_device, is_encoder_decoder, vocabulary_size
from attnscope.model.hf.vision_config import image_size, vision_config

Kind = frozenset[str]

TEXT: Kind = frozenset({"input_ids"})
TEXT_TO_TEXT: Kind = frozenset({"input_ids", "decoder_input_ids"})

FEATURES = "input_features"

PROBE_TOKENS = 6
_FEW = 3
_FRAMES = 64
_FEWER = 2
"""The target has this many tokens fewer than the source, so that shapes show which side queries and keys belong to."""

_AUXILIARY = frozenset({"token_type_ids", "position_ids", "decoder_position_ids"})
"""Inputs, besides masks, that only describe other inputs."""


def kind_of(inputs: Mapping[str, Any]) -> Kind:
    """The kind of an input: the names of its parts, without those that only describe other inputs (masks, types)."""
    return frozenset(name for name in inputs if not name.endswith("_mask") and name not in _AUXILIARY)


def usual_kind(model: nn.Module) -> Kind:
    """The kind of a model's ordinary input."""
    main = getattr(model, "main_input_name", None) or "input_ids"
    main = main if isinstance(main, str) else "input_ids"
    return frozenset({main, "decoder_input_ids"}) if is_encoder_decoder(model) else frozenset({main})


def probe_inputs(
    model: nn.Module, kind: Kind, example: Mapping[str, Tensor] | None = None, *, tokens: int = PROBE_TOKENS
) -> dict[str, Tensor]:
    """Inputs of a kind with about `tokens` tokens, made up if possible, otherwise `example`.

    Raises `UnsupportedError` if there is neither.
    """
    config: Any = model.config
    device = input_device(model)
    if kind == TEXT:
        return {"input_ids": probe_ids(_text_config(config), tokens, vocabulary_size(model)).to(device)}
    if kind == TEXT_TO_TEXT:
        source, target = (
            probe_ids(_side(config, "encoder"), tokens),
            probe_ids(_side(config, "decoder"), tokens - _FEWER),
        )
        return {"input_ids": source.to(device), "decoder_input_ids": target.to(device)}
    if example is None and "pixel_values" in kind and kind <= {"pixel_values", "decoder_input_ids"}:
        height, width = image_size(config)
        channels = int(getattr(vision_config(config), "num_channels", 3) or 3)
        example = {"pixel_values": torch.rand(1, channels, height, width).to(device, first_dtype(model)) * 2 - 1}
    if example is None and FEATURES in kind:
        example = _spectrogram(config, model)
    if example is None:
        raise UnsupportedError(
            f"{type(model).__name__} reads {', '.join(sorted(kind))}, and attnscope cannot make up an example of "
            "that. Trace an input first; its attention is unknown until then."
        )
    ready = dict(example)
    if "decoder_input_ids" in kind:  # fewer than any encoder has positions
        ready["decoder_input_ids"] = probe_ids(_side(config, "decoder"), _FEW).to(device)
    return ready


def _spectrogram(config: Any, model: nn.Module) -> dict[str, Tensor] | None:
    """A made-up spectrogram, of the fixed length that the encoder takes (Whisper) or a short one.

    None if the config states neither.
    """
    bins, positions = getattr(config, "num_mel_bins", None), getattr(config, "max_source_positions", None)
    channels = getattr(config, "input_feat_per_channel", None)
    if isinstance(bins, int) and isinstance(positions, int):
        shape = (1, bins, 2 * positions)
    elif isinstance(channels, int):
        shape = (1, _FRAMES, channels)
    else:
        return None
    wave = torch.linspace(-1, 1, shape[1] * shape[2]).view(shape)
    return {FEATURES: wave.to(input_device(model), first_dtype(model))}


def probe_ids(config: Any, count: int, vocabulary: int | None = None) -> Tensor:
    """Plain token ids [1, count] from the vocabulary that a text config states, otherwise from one of size `vocabulary`."""
    vocabulary = int(getattr(config, "vocab_size", 0) or vocabulary or 0)
    if vocabulary < 2:
        raise UnsupportedError("This model's config states no vocabulary size, so attnscope cannot trace text with it.")
    named = [getattr(config, name, None) for name in ("pad_token_id", "eos_token_id", "bos_token_id")]
    avoid = {one for several in named for one in (several if isinstance(several, (list, tuple)) else [several])}
    ids = [one for one in range(min(vocabulary, 64)) if one not in avoid] or [0]
    return torch.tensor([[ids[(5 + i) % len(ids)] for i in range(count)]])


def _text_config(config: Any) -> Any:
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _side(config: Any, side: str) -> Any:
    """The config of one side, if the model's config has a part for each side; otherwise what describes text."""
    own = getattr(config, side, None)
    if hasattr(own, "vocab_size") or hasattr(own, "text_config"):
        return _text_config(own)
    parts = [getattr(config, name, None) for name in (f"text_{side}", "text_config")]
    return next((one for one in (config, *parts) if hasattr(one, "vocab_size")), config)
