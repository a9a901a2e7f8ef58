"""A trace as a JSON description and tensors, and back. Every value is checked against the others before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import DamagedError
from attnscope.trace import description
from attnscope.trace.json_value import JsonValue
from attnscope.trace.parts import TraceParts
from attnscope.trace.prediction import prediction_fields
from attnscope.trace.serialization import facts_of, tensors_of
from attnscope.trace.stack import TracedStack, projected
from attnscope.trace.stored_layer import LayerTensors, StoredTensor, read_layer
from attnscope.trace.tensor_file import ChangedError
from attnscope.types import InputImage, Token, token_fields

FORMAT = 1
_INPUTS = frozenset({"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"})


def described_parts(parts: TraceParts, trace_id: str, *, weights: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description and the tensors of a trace. `trace_id` is `parts.id`, passed in because it is slow to compute.

    With `weights`, the tensors include the output projections. Each is contiguous, on the CPU, and may be shared with the trace.
    """
    tensors: dict[str, Tensor] = {f"input.{name}": value for name, value in parts.inputs.items()}
    stacks: dict[str, Any] = {}
    for name, stack in parts.stacks.items():
        stacks[name] = {
            "causal": stack.causal,
            "query": stack.query_side,
            "key": stack.key_side,
            "layers": [None if record is None else facts_of(record) for record in stack.records],
        }
        for index, record in enumerate(stack.records):
            if record is not None:
                tensors.update({f"{name}.{index}.{part}": one for part, one in tensors_of(record).items()})
        if weights:
            tensors.update(_projections(name, stack))
    tensors.update({f"image.{i}": _as_tensor(image.data) for i, image in enumerate(parts.images)})
    described = {
        "format": FORMAT,
        "id": trace_id,
        "tokens": {side: [token_fields(token) for token in tokens] for side, tokens in parts.sides.items()},
        "stacks": stacks,
        "provenance": replace(parts, certificate=replace(parts.certificate, recorded=False)).full_provenance,
        "warnings": list(parts.warnings),
        "next": parts.next_tokens,
        "predictions": [prediction_fields(one) for one in parts.predictions],
        "images": [[image.width, image.height] for image in parts.images],
    }
    return described, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def parts_of(described: JsonValue, stored: Mapping[str, StoredTensor]) -> TraceParts:
    """The parts of a trace from its description and its tensors.

    Raises `DamagedError` for anything that does not fit, and `ChangedError` if the content does not match the recorded id.
    """
    sizes = description.image_sizes_of(described)
    sides = description.sides_of(described, sizes)
    layers = description.layers_of(described, sides)
    certificate = description.certificate_of(described, layers)
    left = dict(stored)
    images = [_image(left.pop(f"image.{i}", None), width, height) for i, (width, height) in enumerate(sizes)]
    inputs = {name: left.pop(name) for name in stored if name.startswith("input.")}
    stacks = {name: _stack(name, one, left, sides, described) for name, one in layers.items()}
    if left:
        raise DamagedError(f"The tensor {min(left)[:40]} does not belong to the trace.")
    parts = TraceParts(
        sides=sides,
        stacks=stacks,
        certificate=certificate,
        provenance=description.provenance_of(described),
        warnings=description.warnings_of(described),
        next_tokens=description.next_tokens_of(described),
        predictions=description.predictions_of(described, sides),
        inputs={name.removeprefix("input."): _input(one) for name, one in inputs.items()},
        images=images,
    )
    if parts.id != description.trace_id_of(described):
        raise ChangedError
    return parts


def _input(stored: StoredTensor) -> Tensor:
    if stored.dtype not in _INPUTS:
        raise DamagedError(f"The tensor {stored.name[:40]} cannot have the type {stored.dtype}.")
    return stored.read()


def _image(stored: StoredTensor | None, width: int, height: int) -> InputImage:
    if stored is None or stored.dtype != "U8" or len(stored.shape) != 1:
        raise DamagedError("An image is missing, or its bytes are not a list.")
    data = stored.read().numpy().tobytes()
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image:
            size = image.size
            if size == (width, height):  # checked before its pixels are allocated
                image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedError("An image is not a complete PNG or JPEG file.") from error
    if size != (width, height):
        raise DamagedError(f"An image has {size[0]} × {size[1]} pixels; its description says {width} × {height}.")
    return InputImage(data, width, height)


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _stack(
    name: str,
    layers: description.Layers,
    left: dict[str, StoredTensor],
    sides: Mapping[str, list[Token]],
    described: JsonValue,
) -> TracedStack:
    """Read a stack, and remove its tensors from `left`."""
    records: list[LayerRecord | None] = []
    projections: list[nn.Module | None] = []
    by_layer: dict[str, dict[str, StoredTensor]] = {}
    for one in [one for one in left if one.startswith(f"{name}.")]:
        _, layer, *part = one.split(".", 2)
        by_layer.setdefault(layer, {})[".".join(part)] = left.pop(one)
    for index, facts in enumerate(layers.facts):
        tensors = LayerTensors(f"{name}.{index}.", by_layer.pop(str(index), {}))
        if facts.value is None:
            tensors.end()
            records.append(None)
            projections.append(None)
            continue
        record, projection = read_layer(facts, tensors, len(sides[layers.query_side]), len(sides[layers.key_side]))
        records.append(record)
        projections.append(projection)
    if by_layer:
        raise DamagedError(f"The tensors of layer {min(by_layer)[:20]} of {name} have no layer.")
    dims = [record.shape.qk_dim if isinstance(record, QKRecord) else None for record in records]
    rotary = description.rotary_of(described, name, dims)
    return TracedStack(records, layers.causal, layers.query_side, layers.key_side, projections, rotary)


def _projections(name: str, stack: TracedStack) -> dict[str, Tensor]:
    """W_O of every layer as a matrix [model_dim, heads · v_dim], whatever module implements it."""
    found: dict[str, Tensor] = {}
    for index, (record, module) in enumerate(zip(stack.records, stack.projections, strict=False)):
        if not isinstance(record, QKRecord) or module is None:
            continue
        unit = torch.eye(record.shape.heads * record.shape.v_dim)
        found[f"{name}.{index}.projection"] = projected(module, record, unit).T
    return found
