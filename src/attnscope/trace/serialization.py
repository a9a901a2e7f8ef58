"""The content hash of a trace, which identifies it and reveals whether a file has changed since it was saved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from attnscope.attention import LayerRecord, QKRecord, WeightsRecord
from attnscope.trace.stack import TracedStack
from attnscope.types import InputImage, Token, token_fields


def content_hash(
    sides: Mapping[str, list[Token]],
    stacks: Mapping[str, TracedStack],
    edits: Sequence[Any],
    images: Sequence[InputImage] = (),
) -> str:
    """A hash (32 hex digits) over tokens, edits, images and the bytes of everything captured."""
    digest = hashlib.blake2b(digest_size=16)
    content = {
        "tokens": {side: [token_fields(token) for token in tokens] for side, tokens in sides.items()},
        "edits": list(edits),
        "stacks": {name: [stack.query_side, stack.key_side] for name, stack in stacks.items()},
    }
    digest.update(json.dumps(content, sort_keys=True).encode())
    for name, stack in sorted(stacks.items()):
        for index, record in enumerate(stack.records):
            digest.update(f"{name} {index}".encode())
            if record is not None:
                _hash_record(digest.update, record)
    for image in images:
        digest.update(f"image {image.width} {image.height}".encode())
        digest.update(image.data)
    return digest.hexdigest()


def checksum(description: str, tensors: Mapping[str, Tensor]) -> str:
    """A hash (32 hex digits) over everything in a trace file: its JSON description and all tensors.

    The id of a trace leaves out what does not belong to the forward pass (certificate, provenance, warnings, projections).
    """
    digest = hashlib.blake2b(description.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        _hash_tensor(digest.update, name, tensor)
    return digest.hexdigest()


def tensors_of(record: LayerRecord) -> dict[str, Tensor]:
    """All tensors of a record, by name."""
    if isinstance(record, QKRecord):
        mask, bias = record.mask, record.bias
        found: dict[str, Tensor | None] = {
            "q": record.q,
            "k": record.k,
            "v": record.v,
            "sinks": record.sinks,
            "mask.lo": mask.lo,
            "mask.hi": mask.hi,
            "mask.valid": mask.valid,
            "mask.bits": mask.bits,
            "bias": bias.values if bias else None,
            "gate": record.gate,
        }
        if record.edited is not None:
            found |= {f"edited.{name}": tensor for name, tensor in record.edited.parts.items()}
        return {name: tensor for name, tensor in found.items() if tensor is not None}
    if isinstance(record, WeightsRecord):
        return {"weights": record.weights}
    raise TypeError(f"{type(record).__name__} is not a known kind of record.")


def facts_of(record: LayerRecord) -> dict[str, Any]:
    """Everything else in a record, as JSON values."""
    if not isinstance(record, QKRecord):
        return {"form": "weights"}
    mask, bias = record.mask, record.bias
    return {
        "form": "qk",
        "scaling": record.scaling,
        "softcap": record.softcap,
        "mask": {"kind": mask.kind, "keys": mask.keys, "window": mask.window, "symmetric": mask.symmetric},
        "bias": None if bias is None else {"kind": bias.kind, "queries": bias.queries, "keys": bias.keys},
    }


def _hash_record(update: Callable[[Any], None], record: LayerRecord) -> None:
    update(json.dumps(facts_of(record), sort_keys=True).encode())
    for name, tensor in tensors_of(record).items():
        _hash_tensor(update, name, tensor)


def _hash_tensor(update: Callable[[Any], None], name: str, tensor: Tensor) -> None:
    update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
