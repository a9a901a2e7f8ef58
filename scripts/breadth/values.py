"""Token ids and pixels for inputs, and the config fields that they depend on, in the config or a nested one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig

TOKENS = 12
_VOCABULARIES = ("vocab_size", "text_vocab_size", "char_vocab_size", "src_vocab_size", "decoder_vocab_size")


@dataclass(frozen=True)
class Inputs:
    """Inputs of a model. `kind` is "text", "text to text", "image", "image and text", "sound", "sound to text", …."""

    kind: str
    tensors: dict[str, Tensor]


def configs(config: PreTrainedConfig) -> list[PreTrainedConfig]:
    """A config and all nested ones."""
    inner = [one for one in vars(config).values() if isinstance(one, PreTrainedConfig)]
    return [config, *(deeper for one in inner for deeper in configs(one))]


def ids(config: PreTrainedConfig, count: int, *, seed: int = 1) -> Tensor:
    """Token ids [1, count] that are not special tokens, and small enough for every vocabulary in the config."""
    special: set[int] = set()
    sizes: list[int] = []
    for one in configs(config):
        for name, held in vars(one).items():
            if name.endswith(("token_id", "token_index", "_id")):
                special |= {v for v in (held if isinstance(held, (list, tuple)) else [held]) if isinstance(v, int)}
            if name in _VOCABULARIES and isinstance(held, int):
                sizes.append(held)
    most = min([one for one in sizes if one > 8] or [64])
    usable = [one for one in range(3, min(most, 300)) if one not in special] or [0]
    order = torch.randint(0, len(usable), (count,), generator=noise(seed))
    return torch.tensor([[usable[i] for i in order.tolist()]])


def pixels(config: PreTrainedConfig) -> Tensor:
    """An image of noise [1, channels, height, width]."""
    size = (
        value(config, "image_size", "input_size", "img_size", "resolution", "pretrain_image_size", "max_img_size")
        or 224
    )
    if isinstance(size, Mapping):
        size = [size.get("height", 224), size.get("width", 224)]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
    channels = value(config, "num_channels", "in_chans")
    channels = channels if isinstance(channels, int) and channels in (1, 3, 4, 9) else 3
    return torch.rand(1, channels, height, width, generator=noise(2))


def noise(seed: int) -> torch.Generator:
    """A random generator with a fixed seed."""
    return torch.Generator().manual_seed(seed)


def value(config: PreTrainedConfig, *names: str) -> Any:
    """The value of the first of these fields that a config or a nested one has."""
    for one in configs(config):
        for name in names:
            found = getattr(one, name, None)
            if found is not None and not isinstance(found, bool):
                return found
    return None
