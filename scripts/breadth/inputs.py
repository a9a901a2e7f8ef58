"""Ready inputs for a tiny model, by what its forward asks for: tokens, pixels, sound."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

TOKENS, TARGET = 12, 7
_SAMPLES, _FRAMES, _BINS = 4000, 128, 80
_VOCABULARIES = ("vocab_size", "text_vocab_size", "char_vocab_size", "src_vocab_size", "decoder_vocab_size")
_MEL = (
    "num_mel_bins", "feature_size", "input_feat_per_channel", "n_mels", "feature_projection_input_dim", "input_dim",
    "input_feat_size",
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """What a model is given. `kind` is "text", "text to text", "image", "image and text", "sound", "sound to text" …."""

    kind: str
    given: dict[str, Tensor]


def configs(config: PreTrainedConfig) -> list[PreTrainedConfig]:
    """A config and those inside it."""
    inner = [one for one in vars(config).values() if isinstance(one, PreTrainedConfig)]
    return [config, *(deeper for one in inner for deeper in configs(one))]


def ids(config: PreTrainedConfig, count: int, *, seed: int = 1) -> Tensor:
    """Token ids [1, count] that are none of the special ones, and small enough for every vocabulary in the config."""
    special: set[int] = set()
    sizes: list[int] = []
    for one in configs(config):
        for name, value in vars(one).items():
            if name.endswith(("token_id", "token_index", "_id")):
                special |= {v for v in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(v, int)}
            if name in _VOCABULARIES and isinstance(value, int):
                sizes.append(value)
    most = min([one for one in sizes if one > 8] or [64])
    usable = [one for one in range(3, min(most, 300)) if one not in special] or [0]
    order = torch.randint(0, len(usable), (count,), generator=_noise(seed))
    return torch.tensor([[usable[i] for i in order.tolist()]])


def pixels(config: PreTrainedConfig) -> Tensor:
    """A picture of noise, [1, channels, height, width]."""
    size = _value(config, "image_size", "input_size", "img_size", "resolution", "pretrain_image_size") or 224
    if isinstance(size, Mapping):
        size = [size.get("height", 224), size.get("width", 224)]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
    channels = _value(config, "num_channels", "in_chans")
    channels = channels if isinstance(channels, int) and channels in (1, 3, 4, 9) else 3
    return torch.rand(1, channels, height, width, generator=_noise(2))


def tried(model: nn.Module, config: PreTrainedConfig) -> Iterator[Inputs]:
    """Inputs to try, the simplest first."""
    names = inspect.signature(model.forward).parameters
    target = {"decoder_input_ids": ids(config, TARGET, seed=4)} if "decoder_input_ids" in names else {}
    text: dict[str, Tensor] = {}
    if "input_ids" in names:
        text = {"input_ids": ids(config, TOKENS)}
        if "bbox" in names:
            corners = torch.randint(0, 20, (1, TOKENS, 2), generator=_noise(5))
            text["bbox"] = torch.cat([corners, corners + 10], dim=-1)
        if target:
            yield Inputs("text to text", text | target)
        yield Inputs("text", text)
    for what, other in (*_pictures(names, config, model), *_sounds(names, config)):
        yield Inputs(what, other)
        if target:
            yield Inputs(f"{what} to text", other | target)
        if text:
            yield Inputs(f"{what} and text", text | other)
            if target:
                yield Inputs(f"{what} and text", text | other | target)
    yield from _series(names, config)
    for name in ("hidden_states", "inputs_embeds"):
        if name in names:
            width = _value(config, "hidden_size", "d_model") or 64
            yield Inputs("states", {name: torch.randn(1, TOKENS, width, generator=_noise(3))})


def _pictures(
    names: Mapping[str, inspect.Parameter], config: PreTrainedConfig, model: nn.Module
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    frames = _value(config, "num_frames", "frames_per_clip")
    if "pixel_values" in names:
        one = pixels(config)
        clip = one[:, None].expand(-1, frames if isinstance(frames, int) else 2, -1, -1, -1).contiguous()
        yield from (
            ("image", {"pixel_values": two}) for two in ((clip, one) if isinstance(frames, int) else (one, clip))
        )
    if getattr(model, "main_input_name", None) == "pixel_values_videos":
        clip = pixels(config)[:, None].expand(-1, frames if isinstance(frames, int) else 4, -1, -1, -1)
        yield "image", {"pixel_values_videos": clip.contiguous()}
    grid = next((name for name in ("grid_thw", "image_grid_thw") if name in names), None)
    if grid is not None:  # patches one below the other, of a picture of 4 × 4
        patch = int(_value(config, "patch_size") or 14)
        channels = int(_value(config, "in_channels", "num_channels", "in_chans") or 3)
        depth = channels * int(_value(config, "temporal_patch_size") or 1) * patch**2
        for first in ("hidden_states", "pixel_values"):
            if first in names:
                patches = torch.rand(16, depth, generator=_noise(3))
                yield "image", {first: patches, grid: torch.tensor([[1, 4, 4]])}


def _sounds(
    names: Mapping[str, inspect.Parameter], config: PreTrainedConfig
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if "input_values" in names:
        wave = torch.randn(1, _SAMPLES, generator=_noise(3)) * 0.1
        yield "sound", {"input_values": wave}
        yield "sound", {"input_values": wave[:, None]}
        length, bins = _value(config, "max_length"), _value(config, "num_mel_bins") or 128
        if isinstance(length, int) and length > 20:
            yield "sound", {"input_values": torch.randn(1, length, bins, generator=_noise(3))}
    if "input_features" in names:
        bins = _value(config, *_MEL)
        bins = bins if isinstance(bins, int) else _BINS
        positions = _value(config, "max_source_positions")
        lengths = [2 * positions] if isinstance(positions, int) and positions < 2000 else []
        for length in (*lengths, _FRAMES):
            yield "sound", {"input_features": torch.randn(1, bins, length, generator=_noise(3))}
            yield "sound", {"input_features": torch.randn(1, length, bins, generator=_noise(3))}


def _series(names: Mapping[str, inspect.Parameter], config: PreTrainedConfig) -> Iterator[Inputs]:
    if "past_values" in names:
        length = int(_value(config, "context_length") or 32)
        channels = int(_value(config, "num_input_channels") or 1)
        values = torch.randn(1, length, channels, generator=_noise(3))
        yield Inputs("numbers", {"past_values": values})
        yield Inputs("numbers", {"past_values": values[..., 0]})


def _noise(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _value(config: PreTrainedConfig, *names: str) -> Any:
    for one in configs(config):
        for name in names:
            value = getattr(one, name, None)
            if value is not None and not isinstance(value, bool):
                return value
    return None
