"""What a model is looked at with first: a few tokens, a source and a target of different lengths.

Architectures are kept by the kind of an input, which is the names of what it consists of. A kind for which nothing small can be
made up here is looked at with the first input of that kind itself.
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
"""So many tokens fewer has the target: a layer whose queries and keys are of different sides shows by its shape."""

_ABOUT = frozenset({"token_type_ids", "position_ids", "decoder_position_ids"})
"""Inputs that say something about others, besides masks."""


def kind_of(inputs: Mapping[str, Any]) -> Kind:
    """What an input consists of: the names of its parts without those that are only about others (masks, types)."""
    return frozenset(name for name in inputs if not name.endswith("_mask") and name not in _ABOUT)


def usual_kind(model: nn.Module) -> Kind:
    """What a model is given when it is not given anything special."""
    main = getattr(model, "main_input_name", None) or "input_ids"
    main = main if isinstance(main, str) else "input_ids"
    return frozenset({main, "decoder_input_ids"}) if is_encoder_decoder(model) else frozenset({main})


def probe_inputs(
    model: nn.Module, kind: Kind, given: Mapping[str, Tensor] | None = None, *, tokens: int = PROBE_TOKENS
) -> dict[str, Tensor]:
    """Inputs of a kind with about so many tokens: made up where that is known, else those `given`.

    Raises `UnsupportedError` where neither is there.
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
    if given is None and "pixel_values" in kind and kind <= {"pixel_values", "decoder_input_ids"}:
        height, width = image_size(config)
        channels = int(getattr(vision_config(config), "num_channels", 3) or 3)
        given = {"pixel_values": torch.rand(1, channels, height, width).to(device, first_dtype(model)) * 2 - 1}
    if given is None and FEATURES in kind:
        given = _spectrogram(config, model)
    if given is None:
        raise UnsupportedError(
            f"{type(model).__name__} reads {', '.join(sorted(kind))}, and what its attention looks like is not known before it "
            "has been given some. Trace something first."
        )
    ready = dict(given)
    if "decoder_input_ids" in kind:  # so few that no encoder has as many positions
        ready["decoder_input_ids"] = probe_ids(_side(config, "decoder"), _FEW).to(device)
    return ready


def _spectrogram(config: Any, model: nn.Module) -> dict[str, Tensor] | None:
    """A made-up sound, of the only length that the encoder takes (Whisper) or a short one; None where the config is silent."""
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
    """Plain token ids [1, count] of the vocabulary that a text config names, else of one with so many tokens."""
    vocabulary = int(getattr(config, "vocab_size", 0) or vocabulary or 0)
    if vocabulary < 2:
        raise UnsupportedError("This model's config names no vocabulary of tokens, so no text can be traced with it.")
    named = [getattr(config, name, None) for name in ("pad_token_id", "eos_token_id", "bos_token_id")]
    avoid = {one for several in named for one in (several if isinstance(several, (list, tuple)) else [several])}
    ids = [one for one in range(min(vocabulary, 64)) if one not in avoid] or [0]
    return torch.tensor([[ids[(5 + i) % len(ids)] for i in range(count)]])


def _text_config(config: Any) -> Any:
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _side(config: Any, side: str) -> Any:
    """The config of one side, where a model's config consists of two; else what the whole says of text."""
    own = getattr(config, side, None)
    if hasattr(own, "vocab_size") or hasattr(own, "text_config"):
        return _text_config(own)
    parts = [getattr(config, name, None) for name in (f"text_{side}", "text_config")]
    return next((one for one in (config, *parts) if hasattr(one, "vocab_size")), config)
