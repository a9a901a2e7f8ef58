"""Make inputs for a tiny model, depending on the arguments of its forward: tokens, pixels, audio."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from breadth.forms import special_inputs
from breadth.values import TOKENS, Inputs, ids, noise, pixels, value

TARGET = 7
_SAMPLES, _FRAMES, _BINS = 4000, 128, 80
_MEL = (
    "num_mel_bins", "feature_size", "input_feat_per_channel", "n_mels", "feature_projection_input_dim", "input_dim",
    "input_feat_size",
)  # fmt: skip


def tried(model: nn.Module, config: PreTrainedConfig) -> Iterator[Inputs]:
    """Inputs to try, the simplest first."""
    names = inspect.signature(model.forward).parameters
    target = {"decoder_input_ids": ids(config, TARGET, seed=4)} if "decoder_input_ids" in names else {}
    text: dict[str, Tensor] = {}
    if "input_ids" in names:
        text = {"input_ids": ids(config, TOKENS)}
        if "bbox" in names:
            corners = torch.randint(0, 20, (1, TOKENS, 2), generator=noise(5))
            text["bbox"] = torch.cat([corners, corners + 10], dim=-1)
        if target:
            yield Inputs("text to text", text | target)
        yield Inputs("text", text)
    for what, other in (*_images(names, config, model), *_audio(names, config)):
        yield Inputs(what, other)
        if target:
            yield Inputs(f"{what} to text", other | target)
        if text:
            yield Inputs(f"{what} and text", text | other)
            if target:
                yield Inputs(f"{what} and text", text | other | target)
    yield from _series(names, config)
    yield from special_inputs(model, config, names)
    for name in ("hidden_states", "inputs_embeds"):
        if name in names:
            width = value(config, "hidden_size", "d_model") or 64
            yield Inputs("states", {name: torch.randn(1, TOKENS, width, generator=noise(3))})


def _images(
    names: Mapping[str, inspect.Parameter], config: PreTrainedConfig, model: nn.Module
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    frames = value(config, "num_frames", "frames_per_clip")
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
    if grid is not None:  # a sequence of the 4 × 4 patches of an image
        patch = int(value(config, "patch_size") or 14)
        channels = int(value(config, "in_channels", "num_channels", "in_chans") or 3)
        depth = channels * int(value(config, "temporal_patch_size") or 1) * patch**2
        for first in ("hidden_states", "pixel_values"):
            if first in names:
                patches = torch.rand(16, depth, generator=noise(3))
                yield "image", {first: patches, grid: torch.tensor([[1, 4, 4]])}


def _audio(names: Mapping[str, inspect.Parameter], config: PreTrainedConfig) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if "input_values" in names:
        wave = torch.randn(1, _SAMPLES, generator=noise(3)) * 0.1
        yield "sound", {"input_values": wave}
        yield "sound", {"input_values": wave[:, None]}
        length, bins = value(config, "max_length"), value(config, "num_mel_bins") or 128
        if isinstance(length, int) and length > 20:
            yield "sound", {"input_values": torch.randn(1, length, bins, generator=noise(3))}
    if "input_features" in names:
        bins = value(config, *_MEL)
        bins = bins if isinstance(bins, int) else _BINS
        positions = value(config, "max_source_positions")
        lengths = [2 * positions] if isinstance(positions, int) and positions < 2000 else []
        for length in (*lengths, _FRAMES):
            yield "sound", {"input_features": torch.randn(1, bins, length, generator=noise(3))}
            yield "sound", {"input_features": torch.randn(1, length, bins, generator=noise(3))}


def _series(names: Mapping[str, inspect.Parameter], config: PreTrainedConfig) -> Iterator[Inputs]:
    if "past_values" in names:
        length = int(value(config, "context_length") or 32)
        channels = int(value(config, "num_input_channels") or 1)
        values = torch.randn(1, length, channels, generator=noise(3))
        yield Inputs("numbers", {"past_values": values})
        yield Inputs("numbers", {"past_values": values[..., 0]})
