"""Trace files as someone else could write them: any description and any tensors, with hashes that fit.

The hashes are computed here from the raw description and tensors, and not by attnscope.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

Description = dict[str, Any]
Tensors = dict[str, torch.Tensor]

_PARTS = [
    *("q", "k", "v", "sinks", "mask.lo", "mask.hi", "mask.valid", "mask.bits", "bias", "gate", "weights"),
    *(f"edited.{name}" for name in ("cuts", "rows_at", "rows", "heads", "kept", "outputs")),
]


def read_file(path: Path) -> tuple[Description, Tensors]:
    """The description and the tensors of a trace file."""
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        return json.loads(file.metadata()["attnscope"]), tensors


def write_file(path: Path, description: Description, tensors: Tensors) -> None:
    """Write a trace file. `id` and `checksum` are made to fit, if the file has them and they can be computed."""
    if "id" in description:
        try:
            description["id"] = content_hash(description, tensors)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            description["id"] = "0" * 32
    if "checksum" in description:
        content = {name: value for name, value in description.items() if name != "checksum"}
        digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=16)
        for name, tensor in sorted(tensors.items()):
            add(digest, name, tensor)
        description["checksum"] = digest.hexdigest()
    save_file(
        {name: one.clone().contiguous() for name, one in tensors.items()}, path, {"attnscope": json.dumps(description)}
    )


def content_hash(description: Description, tensors: Tensors) -> str:
    """The id of a trace."""
    stacks = description["stacks"]
    content = {
        "tokens": description["tokens"],
        "edits": description["provenance"].get("edits", []),
        "stacks": {name: [stack["query"], stack["key"]] for name, stack in stacks.items()},
    }
    digest = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16)
    for name, stack in sorted(stacks.items()):
        for index, facts in enumerate(stack["layers"]):
            digest.update(f"{name} {index}".encode())
            if facts is None:
                continue
            digest.update(json.dumps(facts, sort_keys=True).encode())
            for part in _PARTS:
                if f"{name}.{index}.{part}" in tensors:
                    add(digest, part, tensors[f"{name}.{index}.{part}"])
    for index, (width, height) in enumerate(description.get("images", [])):
        digest.update(f"image {width} {height}".encode())
        digest.update(tensors[f"image.{index}"].numpy().tobytes())
    return digest.hexdigest()


def add(digest: Any, name: str, tensor: torch.Tensor) -> None:
    """Hash a tensor."""
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
