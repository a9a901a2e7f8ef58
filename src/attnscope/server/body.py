"""Reading the body of a request, with limits on its size and on the time it may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Receive


@dataclass(frozen=True)
class BodyLimits:
    """Most bytes of a body, and most seconds that it may take to come in."""

    bytes: int = 10 * 2**20
    seconds: float = 30.0


class BodyTooLargeError(Exception):
    """The body is, or says that it is, larger than the limit."""


class BodyTooSlowError(Exception):
    """The body did not come in in time."""


class ClientGoneError(Exception):
    """The connection closed before the body was there."""


async def read_body(headers: Headers, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole body. What its Content-Length claims is looked at first; what really comes is counted all the same."""
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
    """Read on and throw away, within bounds: closing a connection that still sends would take our answer with it."""
    try:
        async with asyncio.timeout(seconds):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
