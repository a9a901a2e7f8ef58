"""Trace files in safetensors format, which takes a few lines to read and cannot execute code.

    metadata  one entry, "attnscope": a JSON object with `format`, `id`, tokens, stacks, provenance, certificate …
    tensors   "<stack>.<layer>.<part>" for every record, "<stack>.<layer>.projection" with `weights=True`, "input.<name>",
              "image.<index>" (a PNG or JPEG file)

Two hashes reveal a file that was damaged: `checksum` covers everything in it (files of version 0.1 have none), `id` what was
captured. Anyone can compute them, so nothing in a file is believed: `description.py` and `stored_layer.py` check every value
against the others before it is used.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import DamagedError, InputError, MissingError, TooLongError, WriteError
from attnscope.files import check_target, free_memory, reason, replacing, shown
from attnscope.trace import description
from attnscope.trace.json_value import JsonValue, parse
from attnscope.trace.parts import TraceParts
from attnscope.trace.prediction import prediction_fields
from attnscope.trace.serialization import checksum, facts_of, tensors_of
from attnscope.trace.stack import TracedStack, projected
from attnscope.trace.stored_layer import LayerTensors, StoredTensor, read_layer
from attnscope.types import InputImage, Token, token_fields
from attnscope.validation import user_path

FORMAT = 1
KEY = "attnscope"
_INPUTS = frozenset({"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"})


def path_of(path: str | os.PathLike[str]) -> Path:
    """`path` as a `Path`. Raises `InputError` if it is neither a string nor path-like."""
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"The path of a trace must be a string or a path object; got {type(path).__name__}.")
    return user_path(path)


def write(parts: TraceParts, trace_id: str, path: Path, *, weights: bool) -> None:
    """See `Trace.save`. `trace_id` is `parts.id`, passed in because it is slow to compute."""
    check_target(path, "the trace")
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
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    described["checksum"] = checksum(json.dumps(described, allow_nan=False), ready)
    with replacing(path, "the trace") as unfinished:
        try:
            save_file(ready, unfinished, metadata={KEY: json.dumps(described, allow_nan=False)})
        except SafetensorError as error:
            raise WriteError(f"Cannot write the trace to {shown(path)}: {reason(error)}.") from error


def read(path: Path) -> TraceParts:
    """Read the parts of a trace from a file.

    Raises `MissingError` if there is no file, `InputError` if it cannot be opened, `TooLongError` if it does not fit into
    memory, and `DamagedError` if it is not a complete trace in this format.
    """
    _check_file(path)
    try:
        with _enough_memory(path), safe_open(str(path), framework="pt") as file:
            return _parts_in(file, path)
    except (SafetensorError, OSError) as error:
        raise DamagedError(
            f"{shown(path)} is not a complete trace: it is truncated, or attnscope did not write it ({error})."
        ) from error


@contextmanager
def _enough_memory(path: Path) -> Generator[None]:
    """Raise `TooLongError` if the file cannot be mapped or a tensor cannot be allocated (a `RuntimeError` in torch)."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise TooLongError(f"There is not enough memory for the trace {shown(path)}.") from error


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            with path.open("rb"):
                pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"Trace not found: {shown(path)}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"Cannot open the trace {shown(path)}: {reason(error)}.") from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "not an ordinary file"
        raise InputError(f"Cannot open the trace {shown(path)}: it is {what}.")
    free = free_memory()
    if free is not None and found.st_size > free:
        raise TooLongError(
            f"The trace {shown(path)} has {found.st_size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB of memory are free."
        )


def _parts_in(file: Any, path: Path) -> TraceParts:
    described = _described(file.metadata(), path)
    names: list[str] = list(file.keys())
    recorded = described.optional("checksum")
    try:
        if recorded is not None:
            _verify(recorded.text(), described, {name: file.get_tensor(name) for name in names})
        parts = _parts(described, {name: _stored(file, name) for name in names})
        if parts.id != description.trace_id_of(described):
            raise _ChangedError
    except _ChangedError as error:
        raise DamagedError(
            f"{shown(path)} was changed after it was saved: its content does not match its hash."
        ) from error
    except DamagedError as error:
        raise DamagedError(f"{shown(path)} is not a valid trace: {error}") from error
    return parts


class _ChangedError(Exception):
    """A hash in the file is not that of its content."""


def _described(metadata: Mapping[str, str] | None, path: Path) -> JsonValue:
    try:
        described = parse((metadata or {})[KEY])
        version = described.field("format").value
    except (KeyError, DamagedError) as error:
        raise DamagedError(f"{shown(path)} is a safetensors file, but not a trace that attnscope saved.") from error
    if version != FORMAT:
        raise DamagedError(
            f"{shown(path)} has format {str(version)[:20]}, but this version of attnscope reads format {FORMAT}. Install the "
            "newer version that wrote it."
        )
    return described


def _verify(recorded: str, described: JsonValue, tensors: Mapping[str, Tensor]) -> None:
    """Compare with the checksum. `tensors` are views of the file, so nothing is copied."""
    everything = {name: one.value for name, one in described.fields().items() if name != "checksum"}
    if checksum(json.dumps(everything), tensors) != recorded:
        raise _ChangedError


def _stored(file: Any, name: str) -> StoredTensor:
    part = file.get_slice(name)

    def read_tensor() -> Tensor:
        return file.get_tensor(name).clone()  # a copy: the file may be cut short while its trace is in use

    return StoredTensor(name, tuple(part.get_shape()), part.get_dtype(), read_tensor)


def _parts(described: JsonValue, stored: Mapping[str, StoredTensor]) -> TraceParts:
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
    return TraceParts(
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
