"""Read the body of a request, with limits on its size and duration."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from starlette.datastructures import Headers
from starlette.types import Receive


@dataclass(frozen=True)
class BodyLimits:
    """The largest size of a request body, and the longest time it may take to arrive.

    Both are larger for a body with tensors, which may hold a file: `Limits.file_bytes` of it, and the JSON object.
    """

    bytes: int = 10 * 2**20
    seconds: float = 30.0
    bytes_with_tensors: int = 266 * 2**20
    seconds_with_tensors: float = 300.0

    @property
    def with_tensors(self) -> BodyLimits:
        """The limits for a body with tensors."""
        return replace(self, bytes=self.bytes_with_tensors, seconds=self.seconds_with_tensors)


class BodyTooLargeError(Exception):
    """The body is larger than the limit, or its Content-Length says so."""


class BodyTooSlowError(Exception):
    """The body did not arrive in time."""


class ClientGoneError(Exception):
    """The connection closed before the body was complete."""


async def read_body(headers: Headers, receive: Receive, limits: BodyLimits) -> bytes:
    """Read the whole body.

    The Content-Length is checked first. The bytes that actually arrive are counted as well.
    """
    claimed = headers.get("content-length", "")
    if claimed.isdecimal() and (len(claimed) > 18 or int(claimed) > limits.bytes):
        raise BodyTooLargeError
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body += message.get("body", b"")
                if len(body) > limits.bytes:
                    raise BodyTooLargeError
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise BodyTooSlowError from None


async def discard_body(receive: Receive, *, most: int, seconds: float) -> None:
    """Read and discard the rest of a body, within limits.

    If the server closed the connection while the client is still sending, the client could lose our response.
    """
    try:
        async with asyncio.timeout(seconds):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
