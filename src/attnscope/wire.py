"""Messages between attnscope and its pages: one JSON object and its tensors, as safetensors bytes.

    8 bytes   length of the header, little-endian
    header    {"__metadata__": {"message": "<the JSON object, as a string>"}, "<name>": {dtype, shape, data_offsets}, …}
    tensors   raw, little-endian, in the order of their offsets

The object holds `v` (protocol version), `id` (chosen by the requester and repeated in every response), `type`, and, for
messages about a trace, `trace` (its hash). docs/reference/wire.md lists the types. The same bytes are used over HTTP, in a
notebook's messages and inside an exported page.
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
from attnscope.validation import is_text

VERSION = 1
LONGEST_NAME = 200
"""The most characters of the `id` and the `type` of a message."""

MAX_HEADER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Message:
    """One message. `body` holds all fields of the JSON object except `v`, `id` and `type`."""

    type: str
    id: str
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def encode(message: Message) -> bytes:
    """Encode a message. Equal messages give equal bytes.

    Raises `InputError` if the body contains a value that JSON cannot represent (NaN, infinity, an object).
    """
    fields = {"v": VERSION, "id": message.id, "type": message.type, **message.body}
    try:
        text = json.dumps(fields, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InputError(f"The message {message.type!r:.300} cannot be written as JSON: {error}.") from error
    tensors = {name: np.ascontiguousarray(value) for name, value in message.tensors.items()}
    return safetensors.numpy.save(tensors, metadata={"message": text})


def decode(data: bytes | bytearray | memoryview) -> Message:
    """Decode a message. Raises `DamagedError` if `data` is not a complete message of this version."""
    data = bytes(data)
    fields = _fields(data)
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"The tensors of the message are damaged: {error}.") from error
    return message_from_fields(fields, tensors)


def message_from_fields(fields: object, tensors: Mapping[str, np.ndarray] | None = None) -> Message:
    """Build a message from its JSON object. Raises `DamagedError` if the version, `id` or `type` is missing or invalid."""
    if not isinstance(fields, dict):
        raise DamagedError(f"A message must be a JSON object; got {type(fields).__name__}.")
    body: dict[str, Any] = dict(fields)  # pyright: ignore[reportUnknownArgumentType]
    version, ident, kind = body.pop("v", None), body.pop("id", None), body.pop("type", None)
    if version != VERSION:
        raise DamagedError(f"This version of attnscope uses message version {VERSION}; got version {version!r:.40}.")
    if not isinstance(ident, str) or not isinstance(kind, str):
        raise DamagedError("A message must have `id` and `type`, both strings.")
    for name, value in (("id", ident), ("type", kind)):
        if len(value) > LONGEST_NAME or not is_text(value):
            problem = f"has {len(value):,}" if is_text(value) else "contains half a character (a lone surrogate)"
            raise DamagedError(
                f"The `{name}` of a message must have at most {LONGEST_NAME} characters; this one {problem}."
            )
    return Message(type=kind, id=ident, body=body, tensors=tensors or {})


def frame(data: bytes) -> bytes:
    """Frame a message for a stream of messages: its length in 8 bytes, little-endian, then its bytes."""
    return len(data).to_bytes(8, "little") + data


def _fields(data: bytes) -> object:
    if len(data) < 8:
        raise DamagedError(f"A message must have at least 8 bytes; got {len(data)}.")
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, MAX_HEADER_BYTES):
        raise DamagedError(
            f"The message is truncated: its header should have {length} bytes, but {len(data) - 8} bytes follow."
        )
    try:
        header = json.loads(data[8 : 8 + length])
        text = header["__metadata__"]["message"]
        return json.loads(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError("The message header was not written by attnscope.") from error
