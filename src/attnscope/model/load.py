"""`attnscope.load`: load a model by name or path."""

from __future__ import annotations

import os
from typing import Any

import torch

from attnscope.model.loading.device_map import DeviceMap, Placement
from attnscope.model.loading.pretrained import load_parts
from attnscope.model.loading.wheel_download import Progress
from attnscope.model.model import Model
from attnscope.validation import FLAG, FUNCTION, PATH, TEXT, check_arguments, instance


@check_arguments(
    dtype=instance("a dtype or its name", str, torch.dtype),
    device=instance("a device or its name", str, torch.device, int),
    offload_folder=PATH,
    trust_remote_code=FLAG,
    revision=TEXT,
    tokenizer=PATH,
    progress=FUNCTION,
)
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
    """Load a model to trace.

    `source` is an embedded name (such as "smollm2" or "minilm"), a local directory (of a model, or of a PEFT adapter), a .gguf
    file, or a hub id. Weights keep the checkpoint's dtype unless you pass `dtype` ("bfloat16"); those of a .gguf file become
    float32 and are kept in the cache. `device` moves the whole
    model. `device_map` spreads it over devices, memory and disk (`offload_folder` is the folder for disk), and
    `quantization_config` stores the weights in fewer bits; both are passed to transformers' `from_pretrained`. `revision` is a
    branch, tag or commit on the hub. `tokenizer` names another source for the tokenizer. Code in a checkpoint runs only with
    `trust_remote_code`. `progress` is called with (bytes done, bytes in total or 0 if unknown, a short text) during downloads
    and conversions.

    Local sources need no connection, and with HF_HUB_OFFLINE=1 attnscope never tries the hub. An embedded model needs the
    package index the first time.

    Raises:
        MissingError: There is no such file, directory, hub model or revision, or the model has no tokenizer.
        DamagedError: The checkpoint is truncated, damaged or incomplete.
        UnreachableError: The hub or the package index does not answer.
        InputError: An argument is invalid, or the installed transformers cannot load this model.
        AttnscopeError: There is not enough memory or disk space, or the cache folder is not writable.
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
