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
from attnscope.server.replies import STATUS, refusal
from attnscope.server.stream import Work
from attnscope.session import Session
from attnscope.wire import Message, decode, frame, message_from_fields

MESSAGES = "application/vnd.attnscope.messages"

_JSON = "application/json"
_SAFETENSORS = "application/x-safetensors"
_LARGEST_ERROR = 16_384
_LINGER_BYTES = 64 * 2**20
_LINGER_S = 2.0


class Api:
    """The ASGI application behind `POST /api`."""

    def __init__(self, session: Session, limits: BodyLimits) -> None:
        self._session = session
        self._limits = limits
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["method"] != "POST":
            response = refusal(405, "Requests go to /api with POST.", headers={"allow": "POST"})
            await response(scope, receive, send)
        elif self._in_work >= self._session.limits.requests:
            sentence = f"{self._in_work} requests are in work already; wait a moment and try again."
            await _refuse(refusal(503, sentence, code="busy"), receive, send)
        else:
            self._in_work += 1
            try:
                await self._post(scope, receive, send)
            finally:
                self._in_work -= 1

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (_JSON, _SAFETENSORS) or "content-encoding" in headers:
            sentence = f"A request is {_JSON} or {_SAFETENSORS}, not encoded any further."
            await _refuse(refusal(415, sentence), receive, send)
            return
        try:
            request = _request(await read_body(headers, receive, self._limits), kind)
        except BodyTooLargeError:
            sentence = f"The request is too large: this server reads at most {self._limits.bytes:,} bytes of one."
            await _refuse(refusal(413, sentence, code="too_large"), receive, send)
        except BodyTooSlowError:
            sentence = f"The request did not arrive within {self._limits.seconds:g} seconds."
            await _refuse(refusal(408, sentence), receive, send)
        except DamagedError as error:
            await refusal(400, str(error))(scope, receive, send)
        except ClientGoneError:
            return
        else:
            await self._answer(request, scope, receive, send)

    async def _answer(self, request: Message, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the responses. A client that closes the connection stops the work."""
        work = Work(self._session, request)
        work.start()
        listening = asyncio.create_task(_until_gone(receive, work))
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


async def _until_gone(receive: Receive, work: Work) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.stop()


async def _refuse(response: Response, receive: Receive, send: Send) -> None:
    """Refuse a request whose body was not read to its end: answer at once, then end the connection in peace."""
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
        raise DamagedError("The body of the request is not JSON.") from error
    return message_from_fields(fields)


def _error_in(data: bytes) -> Response | None:
    """The HTTP error for a first response that is an error already; None for any other."""
    if not data:
        return refusal(500, "The request was not answered.", code="internal")
    if len(data) > _LARGEST_ERROR:
        return None
    message = decode(data)
    if message.type != "error":
        return None
    code = str(message.body["code"])
    said, fits = str(message.body["message"]), message.body.get("fits")
    return refusal(STATUS.get(code, 500), said, code=code, ident=message.id, fits=fits)
