"""`attnscope.load`: a model by its name, from wherever it lies."""

from __future__ import annotations

import os
from typing import Any

import torch

from attnscope.model.loading.device_map import DeviceMap, Placement
from attnscope.model.loading.pretrained import load_parts
from attnscope.model.loading.wheel_download import Progress
from attnscope.model.model import Model


def load(
    source: str | os.PathLike[str],
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    device_map: DeviceMap | None = None,
    quantization_config: Any = None,
    offload_folder: str | os.PathLike[str] | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a model to trace: an embedded name ("smollm2", "minilm"), a local directory, a .gguf file, or a hub id.

    Weights keep the checkpoint's own dtype unless `dtype` says otherwise ("bfloat16"). `device` moves the whole model;
    `device_map` spreads it over devices, memory and disk (`offload_folder` takes what goes to disk), and
    `quantization_config` stores its weights in fewer bits; both are those of transformers' `from_pretrained`.

    Local sources, and all with HF_HUB_OFFLINE=1, try no connection (an embedded model needs the package index the first
    time). Raises `MissingError`, `DamagedError`,
    `UnreachableError` or `InputError`, one sentence each.
    """
    parts = load_parts(
        source,
        dtype=dtype,
        device=device,
        placement=Placement(device_map, quantization_config, offload_folder),
        trust_remote_code=trust_remote_code,
        revision=revision,
        tokenizer=tokenizer,
        progress=progress,
    )
    return Model(
        parts.hf_model,
        parts.tokenizer,
        name=parts.name,
        title=parts.title,
        revision=parts.revision,
        quantization=parts.quantization,
    )
