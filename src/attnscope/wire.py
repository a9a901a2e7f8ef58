"""Messages between attnscope and its pages: one JSON object and some tensors, as safetensors bytes.

    8 bytes   length of the header, little endian
    header    {"__metadata__": {"message": "<the JSON object, as a string>"}, "<name>": {dtype, shape, data_offsets}, …}
    tensors   raw, little endian, in the order of their offsets

The object carries `v` (version of the protocol), `id` (chosen by whoever asks; every response repeats it), `type`, and
`trace` (the hash of the trace) where it is about one. docs/reference/wire.md lists the types. The same bytes travel over HTTP,
over a notebook's messages and inside an exported page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from attnscope.errors import DamagedError, InputError

VERSION = 1
MAX_HEADER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Message:
    """One message. `body` holds every field of the JSON object but `v`, `id` and `type`."""

    type: str
    id: str
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def encode(message: Message) -> bytes:
    """The bytes of a message; the same message always gives the same bytes.

    Raises `InputError` where the body holds something JSON has no word for (NaN, infinity, an object).
    """
    fields = {"v": VERSION, "id": message.id, "type": message.type, **message.body}
    try:
        text = json.dumps(fields, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InputError(f"The message {message.type!r} cannot be written as JSON: {error}.") from error
    tensors = {name: np.ascontiguousarray(value) for name, value in message.tensors.items()}
    return safetensors.numpy.save(tensors, metadata={"message": text})


def decode(data: bytes | bytearray | memoryview) -> Message:
    """The message in `data`. Raises `DamagedError` where the bytes are not a whole message of this version."""
    data = bytes(data)
    fields = _fields(data)
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"The tensors of the message are damaged: {error}.") from error
    return message_from_fields(fields, tensors)


def message_from_fields(fields: object, tensors: Mapping[str, np.ndarray] | None = None) -> Message:
    """A message from its JSON object, checked: version, id and type must be there and of their types."""
    if not isinstance(fields, dict):
        raise DamagedError(f"A message is a JSON object; got {type(fields).__name__}.")
    body: dict[str, Any] = dict(fields)  # pyright: ignore[reportUnknownArgumentType]
    version, ident, kind = body.pop("v", None), body.pop("id", None), body.pop("type", None)
    if version != VERSION:
        raise DamagedError(f"This attnscope speaks version {VERSION} of its messages; got version {version!r}.")
    if not isinstance(ident, str) or not isinstance(kind, str):
        raise DamagedError("A message needs the strings `id` and `type`.")
    return Message(type=kind, id=ident, body=body, tensors=tensors or {})


def frame(data: bytes) -> bytes:
    """A message as it stands in a stream of messages: its length in 8 bytes, little endian, then its bytes."""
    return len(data).to_bytes(8, "little") + data


def _fields(data: bytes) -> object:
    if len(data) < 8:
        raise DamagedError(f"A message has at least 8 bytes; got {len(data)}.")
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, MAX_HEADER_BYTES):
        raise DamagedError(f"The message is cut short: its header claims {length} bytes, {len(data) - 8} follow.")
    try:
        header = json.loads(data[8 : 8 + length])
        text = header["__metadata__"]["message"]
        return json.loads(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError("The header of the message is not what attnscope writes.") from error
