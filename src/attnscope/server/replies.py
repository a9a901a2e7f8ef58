"""HTTP error responses: an `error` message as JSON, or as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, Response

from attnscope.wire import VERSION

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Sent with every response."""

STATUS = {
    "bad_request": 400,
    "unknown": 404,
    "cancelled": 409,
    "too_large": 413,
    "unsupported": 422,
    "internal": 500,
    "unreachable": 502,
    "busy": 503,
}
"""The HTTP status for each code of an `error` message, if that is the first and only response."""


def error_response(
    status: int,
    text: str,
    *,
    code: str = "bad_request",
    ident: str = "",
    fits: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An `error` message as the JSON body of an HTTP error. `fits` is the number of tokens that a text can be cut to."""
    message: dict[str, Any] = {
        "v": VERSION,
        "id": ident,
        "type": "error",
        "last": True,
        "code": code,
        "message": text,
    }
    if fits is not None:
        message["fits"] = fits
    content = json.dumps(message, ensure_ascii=True, separators=(",", ":"))  # a text may contain a lone surrogate
    return Response(content, status, dict(headers or {}), media_type="application/json")


def bad_request_bytes() -> bytes:
    """The whole HTTP response to bytes that are not an HTTP request. The connection is closed after it."""
    response = error_response(400, "The request is not valid HTTP.", headers={"connection": "close"})
    headers = {**response.headers, **SECURITY_HEADERS, "cache-control": "no-store"}
    lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + bytes(response.body)


def error_page(status: int, *paragraphs: str, open_next: str | None = None) -> Response:
    """An error as a page, for a browser. `open_next` is an address that the page opens by itself, right away."""
    refresh = f'<meta http-equiv="refresh" content="0; url={escape(open_next)}">' if open_next else ""
    text = "".join(f"<p>{escape(one)}</p>" for one in paragraphs)
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{refresh}<title>attnscope</title><h1>attnscope</h1>{text}</html>"
    )
    return HTMLResponse(html, status_code=status)
