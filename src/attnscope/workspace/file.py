"""Workspace files: several traces and what was done with them, as one safetensors file.

    metadata  one entry, "attnscope workspace": a JSON object with `format`, `traces`, `current`, `baseline`, `edits`, `trail`,
              `notes`, `state`, and `checksum`, a hash of everything in the file
    tensors   "0", "1", …: every tensor of a trace. Equal tensors are stored once.

Each of `traces` has the `description` of a trace file, and `tensors`: for every name of a tensor in a trace file, its number
here. `current` and `baseline` are indices into `traces`. As in a trace file, nothing is believed before it is checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attnscope.edits.trace_edits import saved_trace
from attnscope.errors import DamagedError
from attnscope.files import check_target
from attnscope.trace import Trace
from attnscope.trace.json_value import JsonValue
from attnscope.trace.serialization import checksum
from attnscope.trace.stored_layer import StoredTensor
from attnscope.trace.stored_trace import FORMAT as TRACE_FORMAT
from attnscope.trace.stored_trace import described_parts, parts_of
from attnscope.trace.tensor_file import ChangedError, TensorFile, to_bytes, write_file
from attnscope.types import InputImage
from attnscope.workspace.contents import MOST_EDITS, MOST_TRACES

FORMAT = 1
KEY = "attnscope workspace"
_WHAT = "the workspace"
_FIELDS = ("format", "traces", "current", "baseline", "edits", "trail", "notes", "state", "checksum")


@dataclass(frozen=True)
class Contents:
    """What a workspace file says. `current` and `baseline` are indices into `traces`; the rest is JSON."""

    traces: Sequence[Trace]
    current: int
    baseline: int | None
    edits: Sequence[Any]
    trail: Sequence[Any]
    notes: Any
    state: Any


@dataclass(frozen=True)
class PackedWorkspace:
    """A workspace file before it is written."""

    description: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def nbytes(self) -> int:
        """The size of the tensors, in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the file."""
        described = dict(self.description)
        described["checksum"] = checksum(json.dumps(described, allow_nan=False), self.tensors)
        return {KEY: json.dumps(described, allow_nan=False)}


def pack(contents: Contents, *, weights: bool = False) -> PackedWorkspace:
    """Find the equal tensors of the traces. With `weights`, the output projections (W_O) are included."""
    numbers: dict[str, int] = {}
    tensors: dict[str, Tensor] = {}
    traces: list[dict[str, Any]] = []
    for trace in contents.traces:
        described, parts = described_parts(trace.parts, trace.id, weights=weights)
        places: dict[str, int] = {}
        for name, tensor in parts.items():
            found = _content(tensor)
            if found not in numbers:
                numbers[found] = len(numbers)
                tensors[str(numbers[found])] = tensor
            places[name] = numbers[found]
        traces.append({"description": described, "tensors": places})
    description = {
        "format": FORMAT,
        "traces": traces,
        "current": contents.current,
        "baseline": contents.baseline,
        "edits": list(contents.edits),
        "trail": list(contents.trail),
        "notes": contents.notes,
        "state": contents.state,
    }
    return PackedWorkspace(description, tensors)


def write(packed: PackedWorkspace, path: Path) -> None:
    """Write a workspace atomically. Raises `InputError` or `WriteError`."""
    check_target(path, _WHAT)
    write_file(path, _WHAT, _unshared(packed.tensors), packed.metadata)


def bytes_of(packed: PackedWorkspace) -> bytes:
    """The bytes of a workspace file."""
    return to_bytes(_unshared(packed.tensors), packed.metadata)


def read(file: TensorFile) -> Contents:
    """Read a workspace from an open file. Its trail, notes and state are JSON that is still to be checked.

    Raises `DamagedError` if it is not a complete workspace in this format.
    """
    described = file.described(KEY, "a workspace", FORMAT)
    try:
        file.verify(described, described.field("checksum").text())
        return _contents(described, file)
    except ChangedError as error:
        raise DamagedError(
            f"{file.name} was changed after it was saved: its content does not match its hash."
        ) from error
    except DamagedError as error:
        raise DamagedError(f"{file.name} is not a valid workspace: {error}") from error


def _contents(described: JsonValue, file: TensorFile) -> Contents:
    described.fields(_FIELDS)
    entries = described.field("traces").elements()
    if not 1 <= len(entries) <= MOST_TRACES:
        raise DamagedError(f"`traces` must have 1 to {MOST_TRACES} elements; got {len(entries):,}.")
    last = len(entries) - 1
    current, baseline = described.field("current").integer(0, last), described.optional("baseline")
    edits = described.field("edits").elements()
    if len(edits) > MOST_EDITS:
        raise DamagedError(f"`edits` must have at most {MOST_EDITS:,} elements; got {len(edits):,}.")
    shared = _Shared(file)
    traces = [shared.trace(one, f"trace {index}") for index, one in enumerate(entries)]
    shared.end()
    ids = [trace.id for trace in traces]
    if len(set(ids)) < len(ids):
        raise DamagedError("`traces` has the same trace more than once.")
    return Contents(
        traces=traces,
        current=current,
        baseline=None if baseline is None else baseline.integer(0, last),
        edits=[one.value for one in edits],
        trail=[one.value for one in described.field("trail").elements()],
        notes=described.field("notes").text(),
        state={name: one.value for name, one in described.field("state").fields().items()},
    )


class _Shared:
    """The tensors of a file. Each is read once, whatever number of traces it belongs to."""

    def __init__(self, file: TensorFile) -> None:
        self._file = file
        self._left = set(file.tensors)
        self._images: dict[InputImage, InputImage] = {}
        self._read = cache(lambda name: file.tensors[name].read())

    def trace(self, entry: JsonValue, name: str) -> Trace:
        """The trace that an element of `traces` describes. `name` names it in messages."""
        entry.fields(("description", "tensors"))
        described, numbers = entry.field("description"), entry.field("tensors").fields()
        described.field("format").exactly(TRACE_FORMAT, "the format of traces")
        parts = parts_of(described, {name: self._stored(name, number) for name, number in numbers.items()})
        images = [self._images.setdefault(image, image) for image in parts.images]
        return saved_trace(replace(parts, images=images), name)

    def end(self) -> None:
        """Raise `DamagedError` if a tensor belongs to no trace."""
        if self._left:
            raise DamagedError(f"The tensor {min(self._left)[:40]} belongs to no trace.")

    def _stored(self, name: str, number: JsonValue) -> StoredTensor:
        at = str(number.integer(0, max(len(self._file.tensors) - 1, 0)))
        found = self._file.tensors.get(at)
        if found is None:
            raise DamagedError(f"The tensor {at} is missing.")
        self._left.discard(at)
        return StoredTensor(name, found.shape, found.dtype, lambda: self._read(at))


def _content(tensor: Tensor) -> str:
    """What makes tensors equal: type, shape and every byte."""
    digest = hashlib.blake2b(f"{tensor.dtype} {tuple(tensor.shape)}".encode(), digest_size=32)
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with memory of their own, as safetensors requires."""
    return {name: tensor.clone() for name, tensor in tensors.items()}
