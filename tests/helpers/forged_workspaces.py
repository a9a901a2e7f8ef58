"""Workspace files as someone else could write them: any description and any tensors, with hashes that fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from helpers.forged_traces import Description, Tensors, add, content_hash

KEY = "attnscope workspace"


def read_file(path: Path) -> tuple[Description, Tensors]:
    """The description and the tensors of a workspace file."""
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        return json.loads(file.metadata()[KEY]), tensors


def write_file(path: Path, description: Description, tensors: Tensors) -> None:
    """Write a workspace file. The ids of its traces and `checksum` are made to fit, if they can be computed."""
    traces = description.get("traces")
    for one in traces if isinstance(traces, list) else []:
        try:
            of_trace = {name: tensors[str(number)] for name, number in one["tensors"].items()}
            one["description"]["id"] = content_hash(one["description"], of_trace)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
            pass
    content = {name: value for name, value in description.items() if name != "checksum"}
    digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        add(digest, name, tensor)
    if "checksum" in description:
        description["checksum"] = digest.hexdigest()
    save_file({name: one.clone().contiguous() for name, one in tensors.items()}, path, {KEY: json.dumps(description)})
