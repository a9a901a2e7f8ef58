"""HTTP error responses: an `error` message as JSON, or as a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from attnscope.wire import VERSION

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
    return JSONResponse(message, status_code=status, headers=dict(headers or {}))


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
