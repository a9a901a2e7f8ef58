"""Safetensors files of attnscope: a JSON description in the metadata, and tensors that are read one by one.

A file may come from anyone. It is checked before anything large is allocated, and every failure is an error with a sentence.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import Tensor

from attnscope.errors import DamagedError, InputError, MissingError, TooLongError, WriteError
from attnscope.files import check_target, free_memory, reason, replacing, shown
from attnscope.trace.json_value import JsonValue, parse
from attnscope.trace.serialization import checksum
from attnscope.trace.stored_layer import StoredTensor
from attnscope.validation import user_path

WORKSPACE_EXTENSION = ".workspace"

_DTYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}


class ChangedError(Exception):
    """A hash in a file is not that of its content."""


@dataclass(frozen=True)
class TensorFile:
    """An open file: its metadata and its tensors, which are not read yet. `name` is its name in quotes, for messages.

    `view` returns a tensor by name without copying it; `StoredTensor.read` returns a copy.
    """

    name: str
    metadata: Mapping[str, str]
    tensors: Mapping[str, StoredTensor]
    view: Callable[[str], Tensor]

    def described(self, key: str, what: str, versions: int) -> JsonValue:
        """The description under `key` in the metadata. `what` is what the file should be, and `versions` its newest format.

        Raises `DamagedError` if there is none, or if its `format` is not one that this version of attnscope reads.
        """
        try:
            described = parse(self.metadata[key])
            version = described.field("format").value
        except (KeyError, DamagedError) as error:
            raise DamagedError(f"{self.name} is a safetensors file, but not {what} that attnscope saved.") from error
        if version != versions:
            raise DamagedError(
                f"{self.name} has format {str(version)[:20]}, but this version of attnscope reads format {versions}. Install "
                "the newer version that wrote it."
            )
        return described

    def verify(self, described: JsonValue, recorded: str) -> None:
        """Raise `ChangedError` if `recorded` is not the checksum of the file. Nothing is copied for that."""
        everything = {name: one.value for name, one in described.fields().items() if name != "checksum"}
        if checksum(json.dumps(everything), {name: self.view(name) for name in self.tensors}) != recorded:
            raise ChangedError


def path_of(path: str | os.PathLike[str], what: str = "trace") -> Path:
    """`path` as a `Path`. Raises `InputError` if it is neither a string nor path-like."""
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"The path of a {what} must be a string or a path object; got {type(path).__name__}.")
    return user_path(path)


def kind_of(name: str | Path) -> str:
    """What a file with this name should be, in a word: "workspace" by its extension, or else "trace"."""
    return "workspace" if Path(name).suffix.lower() == WORKSPACE_EXTENSION else "trace"


@contextmanager
def reading(path: Path) -> Generator[TensorFile]:
    """Open a file to read from it in the block.

    Raises `MissingError` if there is no file, `InputError` if it cannot be opened, `TooLongError` if it does not fit into memory,
    and `DamagedError` if it is not a complete safetensors file.
    """
    what = kind_of(path)
    _check_file(path, what)
    try:
        with _enough_memory(f"the {what} {shown(path)}"), safe_open(str(path), framework="pt") as file:
            tensors = {name: _stored(file, name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            yield TensorFile(shown(path), file.metadata() or {}, tensors, file.get_tensor)
    except (SafetensorError, OSError) as error:
        raise DamagedError(
            f"{shown(path)} is not a complete {what}: it is truncated, or attnscope did not write it ({error})."
        ) from error


def from_bytes(data: bytes, name: str) -> TensorFile:
    """The file with these bytes. Raises `DamagedError` if it is not a complete safetensors file."""
    try:
        found = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{shown(name)} is not a complete {kind_of(name)}: it is truncated, or attnscope did not write it ({error})."
        ) from error
    tensors = {
        one: StoredTensor(one, tuple(tensor.shape), _DTYPES.get(tensor.dtype, str(tensor.dtype)), tensor.clone)
        for one, tensor in found.items()
    }
    return TensorFile(shown(name), header.get("__metadata__") or {}, tensors, found.__getitem__)


def write_file(path: Path, what: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file atomically; if that fails, what was at `path` stays. `what` names the content: "the trace".

    Raises `InputError` if `path` cannot be the name of a file, and `WriteError` if the file cannot be written.
    """
    check_target(path, what)
    with replacing(path, what) as unfinished:
        try:
            save_file(dict(tensors), unfinished, metadata=dict(metadata))
        except SafetensorError as error:
            raise WriteError(f"Cannot write {what} to {shown(path)}: {reason(error)}.") from error


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file, as `write_file` writes them."""
    return save(dict(tensors), metadata=dict(metadata))


@contextmanager
def _enough_memory(what: str) -> Generator[None]:
    """Raise `TooLongError` if the file cannot be mapped or a tensor cannot be allocated (a `RuntimeError` in torch)."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise TooLongError(f"There is not enough memory for {what}.") from error


def _check_file(path: Path, what: str) -> None:
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            with path.open("rb"):
                pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"{what.capitalize()} not found: {shown(path)}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"Cannot open the {what} {shown(path)}: {reason(error)}.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not an ordinary file"
        raise InputError(f"Cannot open the {what} {shown(path)}: it is {kind}.")
    free = free_memory()
    if free is not None and found.st_size > free:
        raise TooLongError(
            f"The {what} {shown(path)} has {found.st_size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB of memory are free."
        )


def _stored(file: Any, name: str) -> StoredTensor:
    part = file.get_slice(name)

    def read_tensor() -> Tensor:
        return file.get_tensor(name).clone()  # a copy: the file may be cut short while its trace is in use

    return StoredTensor(name, tuple(part.get_shape()), part.get_dtype(), read_tensor)
