"""Inputs in special formats: arguments of a forward other than ids, pixels and audio, recognized by their names.

A format applies to every model whose forward has arguments of these names, so that one covers a family and its descendants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from breadth.values import TOKENS, Inputs, ids, noise, pixels, value

TensorDict = dict[str, Tensor]
_ROWS, _COLUMNS, _PADDED = 4, 6, 4
_FRAMES = 128


def special_inputs(model: nn.Module, config: PreTrainedConfig, names: Iterable[str]) -> Iterator[Inputs]:
    """Inputs in every format whose arguments are among the `names` of a model's forward, with a text if it takes one."""
    there = set(names)
    text = {"input_ids": ids(config, TOKENS)} if "input_ids" in there else {}
    for arguments, kind, form in _FORMS:
        if not there.issuperset(arguments):
            continue
        for tensors in form(config):
            alone = "input_ids" in tensors or not text
            more = " to text" if "decoder_input_ids" in tensors else "" if alone else " and text"
            yield Inputs(kind if kind == "text" else kind + more, tensors if alone else text | tensors)
    if text and "pixel_values" in there:
        yield from _with_placeholders(model, config, there)


def _with_placeholders(model: nn.Module, config: PreTrainedConfig, names: set[str]) -> Iterator[Inputs]:
    """An image in a text, with as many placeholder tokens as the model computes image features."""
    token = value(config, "image_token_id", "image_token_index")
    features_of: Any = getattr(model, "get_image_features", None)
    if not isinstance(token, int) or features_of is None:
        return
    image = {"pixel_values": pixels(config)}
    question = {"qformer_input_ids": ids(config, TOKENS)} if "qformer_input_ids" in names else {}
    try:
        with torch.no_grad():
            found = features_of(**image, **question)
        found = getattr(found, "pooler_output", found)
        count = sum(one.shape[-2] for one in found) if isinstance(found, (tuple, list)) else found.shape[-2]
    except Exception:  # the model takes images in another format
        return
    text = torch.cat([torch.full((1, count), token), ids(config, TOKENS)], dim=1)
    target = {"decoder_input_ids": ids(config, TOKENS // 2)} if "decoder_input_ids" in names else {}
    for more in (target, {}) if target else ({},):
        yield Inputs("image and text", {"input_ids": text, **image, **question, **more})


def _in_rows(config: PreTrainedConfig) -> tuple[Tensor, int]:
    """Patches in a sequence [1, patch, values], the last few of them padding, and the number of real ones."""
    channels, patch = int(value(config, "num_channels", "in_channels") or 3), int(value(config, "patch_size") or 16)
    count = _ROWS * _COLUMNS
    patches = torch.rand(1, count + _PADDED, channels * patch**2, generator=noise(2)) * 2 - 1
    patches[:, count:] = 0
    return patches, count


def _patches_with_shapes(config: PreTrainedConfig) -> Iterator[TensorDict]:
    patches, count = _in_rows(config)
    mask = (torch.arange(patches.shape[1]) < count).long()[None]
    shapes = torch.tensor([[_ROWS, _COLUMNS]])
    yield {"pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": shapes}


def _patches_with_positions(config: PreTrainedConfig) -> Iterator[TensorDict]:
    side = 2 * int(value(config, "pooling_kernel_size") or 2)
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).flip(-1)
    channels, patch = int(value(config, "num_channels", "in_channels") or 3), int(value(config, "patch_size") or 16)
    yield {
        "pixel_values": torch.rand(1, side**2, channels * patch**2, generator=noise(2)),
        "pixel_position_ids": places[None],
    }


def _tiles(config: PreTrainedConfig) -> Iterator[TensorDict]:
    count = int(value(config, "max_num_tiles") or 4)
    yield {
        "pixel_values": pixels(config)[:, None, None].expand(-1, -1, count, -1, -1, -1).contiguous(),
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.tensor([[[1] + [0] * (count - 1)]]),
    }


def _grid(config: PreTrainedConfig, name: str) -> Iterator[TensorDict]:
    """The 4 × 4 patches of an image, as a tensor of small images or with every patch twice along time."""
    patch, channels = int(value(config, "patch_size") or 14), int(value(config, "in_channels", "num_channels") or 3)
    merged = patch * int(value(config, "spatial_merge_size") or 2)
    grid = {name: torch.tensor([[1, 4, 4]])}
    for shape in (
        (16, channels, patch, patch),
        (1, 16, channels, patch, patch),
        (16, 2 * channels * patch**2),
        (16, merged, merged, channels),
    ):
        yield {"pixel_values": torch.rand(shape, generator=noise(3)), **grid}


def _merged_grid(config: PreTrainedConfig) -> Iterator[TensorDict]:
    for tensors in _in_grid(config):
        yield {**tensors, "grid_thw": torch.tensor([[1, 4, 4]]), "merge_sizes": torch.tensor([2])}


def _in_grid(config: PreTrainedConfig) -> Iterator[TensorDict]:
    patch, channels = int(value(config, "patch_size") or 14), int(value(config, "in_channels", "num_channels") or 3)
    yield {"pixel_values": torch.rand(16, channels * patch**2, generator=noise(3))}


def _strip(config: PreTrainedConfig) -> Iterator[TensorDict]:
    """All patches of an image in one long strip."""
    patch, channels = int(value(config, "patch_size") or 14), int(value(config, "num_channels") or 3)
    sizes = {"target_sizes": torch.tensor([[4, 4]], dtype=torch.int32)}
    yield {"pixel_values": torch.rand(1, channels, patch, patch * 16, generator=noise(3)), **sizes}


def _flattened(config: PreTrainedConfig) -> Iterator[TensorDict]:
    """Patches as rows of numbers, as many as the config specifies."""
    patch, channels = int(value(config, "patch_size") or 14), int(value(config, "num_channels") or 3)
    side = int(value(config, "image_size") or 224) // patch if isinstance(value(config, "image_size"), int) else 4
    depth = channels * patch**2
    yield {"pixel_values": torch.rand(1, side**2, depth, generator=noise(3))}
    positions = value(config, "num_position_embeddings")
    if isinstance(positions, int):
        yield {"pixel_values": torch.rand(1, positions, depth, generator=noise(3))}


def _with_places(config: PreTrainedConfig) -> Iterator[TensorDict]:
    """Patches as rows of numbers, each preceded by its row and column from 1 (Pix2Struct)."""
    patches, count = _in_rows(config)
    places = torch.cartesian_prod(torch.arange(1, _ROWS + 1), torch.arange(1, _COLUMNS + 1))[None]
    yield {"flattened_patches": torch.cat([places.to(patches.dtype), patches[:, :count]], dim=-1)}
    yield {
        "flattened_patches": torch.cat([places.to(patches.dtype), patches[:, :count]], dim=-1),
        "decoder_input_ids": ids(config, TOKENS // 2, seed=4),
    }


def _longer_audio(_: PreTrainedConfig) -> Iterator[TensorDict]:
    yield {"input_values": torch.randn(1, 4800, generator=noise(3)) * 0.1}


def _frames(config: PreTrainedConfig) -> Iterator[TensorDict]:
    count = value(config, "num_frames")
    if isinstance(count, int):
        yield {"pixel_values": pixels(config).expand(count, -1, -1, -1).contiguous()}


def _several_images(config: PreTrainedConfig) -> Iterator[TensorDict]:
    mask = torch.ones(1, TOKENS, 1, dtype=torch.long)
    yield {"pixel_values": pixels(config)[:, None], "image_attention_mask": mask}


def _marked_places(config: PreTrainedConfig) -> Iterator[TensorDict]:
    count = int(value(config, "latent_query_num") or 64)
    text = ids(config, count + TOKENS)
    marked = (torch.arange(count + TOKENS) < count).long()[None]
    yield {"input_ids": text, "pixel_values": pixels(config), "image_embeds_position_mask": marked}


def _regions(config: PreTrainedConfig) -> Iterator[TensorDict]:
    wide, count = int(value(config, "visual_feat_dim") or 2048), 9
    boxes = torch.rand(1, count, int(value(config, "visual_pos_dim") or 4), generator=noise(4))
    yield {"visual_feats": torch.randn(1, count, wide, generator=noise(3)), "visual_pos": boxes}


def _masked_audio(config: PreTrainedConfig) -> Iterator[TensorDict]:
    positions, window = value(config, "max_source_positions"), value(config, "n_window")
    frames = 2 * window if isinstance(window, int) else 2 * positions if isinstance(positions, int) else _FRAMES
    for bins in dict.fromkeys((_bins(config), value(config, "input_size") or 80)):
        for shape in ((1, frames, bins), (1, bins, frames)):
            audio = torch.randn(shape, generator=noise(3))
            yield {"input_features": audio, "input_features_mask": torch.ones(1, frames, dtype=torch.long)}


def _audio_with_lengths(config: PreTrainedConfig) -> Iterator[TensorDict]:
    audio = torch.randn(_bins(config), _FRAMES, generator=noise(3))
    yield {"input_features": audio, "feature_lens": torch.tensor([_FRAMES])}


def _audio_in_steps(config: PreTrainedConfig) -> Iterator[TensorDict]:
    """Audio, and one token for each step of it."""
    step = value(config, "audio_length_per_tok")
    if isinstance(step, int):
        audio = torch.randn(1, _bins(config), _FRAMES, generator=noise(3))
        yield {"input_ids": ids(config, _FRAMES // step), "input_features": audio}


def _fused_audio(config: PreTrainedConfig) -> Iterator[TensorDict]:
    audio = torch.randn(1, 1, 1001, _bins(config), generator=noise(3))
    yield {"input_features": audio, "is_longer": torch.tensor([[False]])}


def _bins(config: PreTrainedConfig) -> int:
    found = value(config, "num_mel_bins", "n_mels", "feature_size")
    return found if isinstance(found, int) else 80


def _series(config: PreTrainedConfig) -> Iterator[TensorDict]:
    lags = value(config, "lags_sequence") or [1]
    length = int(value(config, "context_length") or 16) + max(lags)
    ahead = int(value(config, "prediction_length") or 8)
    kinds = int(value(config, "num_time_features") or 1)
    values = torch.randn(1, length, generator=noise(3))
    past = {
        "past_values": values,
        "past_time_features": torch.randn(1, length, kinds, generator=noise(4)),
        "past_observed_mask": torch.ones(1, length),
    }
    yield {
        **past,
        "future_values": torch.randn(1, ahead, generator=noise(5)),
        "future_time_features": torch.randn(1, ahead, kinds, generator=noise(6)),
    }


def _documents(config: PreTrainedConfig) -> Iterator[TensorDict]:
    count = int(value(config, "n_docs") or 5)
    text = ids(config, TOKENS).expand(count, -1).contiguous()
    yield {
        "context_input_ids": text,
        "context_attention_mask": torch.ones_like(text),
        "doc_scores": torch.randn(1, count, generator=noise(3)),
        "decoder_input_ids": ids(config, TOKENS // 2, seed=4),
    }


def _marks(_: PreTrainedConfig) -> Iterator[TensorDict]:
    yield {
        "marks": torch.tensor([[TOKENS - 1]]),
        "num_options": torch.tensor([[2]]),
        "question_type_ids": torch.tensor([[0]]),
    }


def _conditions(config: PreTrainedConfig) -> Iterator[TensorDict]:
    wide = int(value(config, "hidden_size", "d_model") or 64)
    yield {"encoder_hidden_states": torch.randn(1, TOKENS - 3, wide, generator=noise(3))}


def _codes(config: PreTrainedConfig) -> Iterator[TensorDict]:
    """One row of codes per codebook, stacked as a batch (MusicGen)."""
    count = value(config, "num_codebooks")
    if isinstance(count, int):
        yield {"decoder_input_ids": ids(config, TOKENS).expand(count, -1).contiguous()}


_FORMS: tuple[tuple[frozenset[str], str, Callable[[PreTrainedConfig], Iterator[TensorDict]]], ...] = (
    (frozenset({"pixel_attention_mask", "spatial_shapes"}), "image", _patches_with_shapes),
    (frozenset({"pixel_position_ids"}), "image", _patches_with_positions),
    (frozenset({"aspect_ratio_ids", "aspect_ratio_mask"}), "image", _tiles),
    (frozenset({"pixel_values", "merge_sizes", "grid_thw"}), "image", _merged_grid),
    (frozenset({"pixel_values", "grid_thw"}), "image", lambda config: _grid(config, "grid_thw")),
    (frozenset({"pixel_values", "image_grid_thw"}), "image", lambda config: _grid(config, "image_grid_thw")),
    (frozenset({"pixel_values", "target_sizes"}), "image", _strip),
    (frozenset({"pixel_values", "image_attention_mask"}), "image", _several_images),
    (frozenset({"pixel_values", "image_embeds_position_mask"}), "image", _marked_places),
    (frozenset({"pixel_values"}), "image", _flattened),
    (frozenset({"pixel_values"}), "image", _frames),
    (frozenset({"flattened_patches"}), "image", _with_places),
    (frozenset({"input_values"}), "sound", _longer_audio),
    (frozenset({"visual_feats", "visual_pos"}), "image", _regions),
    (frozenset({"input_features", "input_features_mask"}), "sound", _masked_audio),
    (frozenset({"input_features", "feature_lens"}), "sound", _audio_with_lengths),
    (frozenset({"input_features", "input_ids"}), "sound and text", _audio_in_steps),
    (frozenset({"input_features", "is_longer"}), "sound", _fused_audio),
    (frozenset({"past_values", "past_time_features"}), "numbers", _series),
    (frozenset({"context_input_ids", "doc_scores"}), "text", _documents),
    (frozenset({"marks", "num_options", "question_type_ids"}), "text", _marks),
    (frozenset({"decoder_input_ids"}), "text", _codes),
    (frozenset({"encoder_hidden_states"}), "text", _conditions),
)
"""The arguments of each format, the kind of input, and the function that makes it. Special formats come first."""
