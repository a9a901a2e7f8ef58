"""`POST /api`: one request in, a stream of framed messages out (docs/reference/wire.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from attnscope.errors import DamagedError
from attnscope.server.body import (
    BodyLimits,
    BodyTooLargeError,
    BodyTooSlowError,
    ClientGoneError,
    discard_body,
    read_body,
)
from attnscope.server.replies import STATUS, error_response
from attnscope.server.stream import Work
from attnscope.session import Session
from attnscope.session.jobs import busy_message
from attnscope.wire import Message, decode, frame, message_from_fields

MESSAGES = "application/vnd.attnscope.messages"

_JSON = "application/json"
_SAFETENSORS = "application/x-safetensors"
_LARGEST_ERROR = 65_536  # more than any `error`: its `id` and its text are limited
_LINGER_BYTES = 64 * 2**20
_LINGER_S = 2.0


class Api:
    """The ASGI application behind `POST /api`."""

    def __init__(self, session: Session, limits: BodyLimits) -> None:
        self._session = session
        self._limits = limits
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["method"] != "POST":
            response = error_response(405, "Method not allowed: use POST for /api.", headers={"allow": "POST"})
            await response(scope, receive, send)
        elif self._running >= self._session.limits.requests:
            message = busy_message(self._running)
            await _reject(error_response(503, message, code="busy"), receive, send)
        else:
            self._running += 1
            try:
                await self._post(scope, receive, send)
            finally:
                self._running -= 1

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (_JSON, _SAFETENSORS) or "content-encoding" in headers:
            message = f"Unsupported content type: send {_JSON} or {_SAFETENSORS}, without a content encoding."
            await _reject(error_response(415, message), receive, send)
            return
        limits = self._limits.with_tensors if kind == _SAFETENSORS else self._limits
        try:
            request = _request(await read_body(headers, receive, limits), kind)
        except BodyTooLargeError:
            message = f"The request is too large: this server accepts at most {limits.bytes:,} bytes."
            await _reject(error_response(413, message, code="too_large"), receive, send)
        except BodyTooSlowError:
            message = f"The request did not arrive within {limits.seconds:g} seconds. Send it again."
            await _reject(error_response(408, message), receive, send)
        except DamagedError as error:
            await error_response(400, str(error))(scope, receive, send)
        except ClientGoneError:
            return
        else:
            await self._answer(request, scope, receive, send)

    async def _answer(self, request: Message, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the responses. The work stops if the client closes the connection."""
        work = Work(self._session, request)
        work.start()
        listening = asyncio.create_task(_stop_on_disconnect(receive, work))
        try:
            await _stream(aiter(work), scope, receive, send)
        finally:
            work.stop()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def _stream(responses: AsyncIterator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
    first = await anext(responses, b"")
    error = _error_in(first)
    if error is not None:
        await error(scope, receive, send)
        return
    head = [(b"content-type", MESSAGES.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": frame(first), "more_body": True})
    async for response in responses:
        await send({"type": "http.response.body", "body": frame(response), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stop_on_disconnect(receive: Receive, work: Work) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.stop()


async def _reject(response: Response, receive: Receive, send: Send) -> None:
    """Send an error before the request body has been read.

    The rest of the body is read and discarded before the response ends, so that the client gets to see the response.
    """
    body = bytes(response.body)
    headers = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await discard_body(receive, most=_LINGER_BYTES, seconds=_LINGER_S)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _request(body: bytes, kind: str) -> Message:
    if kind == _SAFETENSORS:
        return decode(body)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DamagedError("The request body is not valid JSON.") from error
    return message_from_fields(fields)


def _error_in(data: bytes) -> Response | None:
    """The HTTP error if the first response is an `error` message; else None."""
    if not data:
        return error_response(500, "Internal error: the request was not answered.", code="internal")
    if len(data) > _LARGEST_ERROR:
        return None
    message = decode(data)
    if message.type != "error":
        return None
    code = str(message.body["code"])
    text, fits = str(message.body["message"]), message.body.get("fits")
    return error_response(STATUS.get(code, 500), text, code=code, ident=message.id, fits=fits)
