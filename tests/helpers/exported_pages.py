"""The data of exported pages, read as docs/reference/wire.md describes them."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode

import numpy as np
import torch

from attnscope.wire import Message, decode


def blocks(html: str) -> list[str]:
    """The names of the blocks, in order."""
    return re.findall(r'data-block="([^"]*)"', html)


def messages(html: str, name: str) -> list[Message]:
    """The messages of a block."""
    found = re.search(rf'<script type="application/octet-stream" data-block="{name}">([^<]*)</script>', html)
    assert found, name
    stream, read = zlib.decompress(b64decode(found[1]), 31), []
    while stream:
        size = int.from_bytes(stream[:8], "little")
        read.append(decode(stream[8 : 8 + size]))
        stream = stream[8 + size :]
    return read


def whole(planes: np.ndarray) -> np.ndarray:
    return np.stack([plane.astype(np.int64) << (8 * at) for at, plane in enumerate(planes)]).sum(0)


def vectors(message: Message, name: str) -> torch.Tensor:
    """q or k of a packed layer [heads, tokens, dim], unpacked as docs/reference/wire.md describes."""
    zigzag = whole(message.tensors[f"{name}_planes"])
    numbers = torch.from_numpy((zigzag >> 1) ^ -(zigzag & 1)).float()
    units, sizes = (torch.from_numpy(message.tensors[f"{name}_{part}"].astype(np.float32)) for part in ("unit", "size"))
    groups = torch.arange(len(units)) * len(sizes) // len(units)
    values = (numbers * (units[:, None] * sizes[groups])[..., None]).transpose(1, 2)
    return values + torch.from_numpy(message.tensors["k_mean"].astype(np.float32))[:, None] if name == "k" else values
