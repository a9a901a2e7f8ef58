"""Answers that are no stream of messages: the sentence that says why a request was not taken."""

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
"""The HTTP status of each code of an `error` message, where it is the first and only response."""


def refusal(
    status: int,
    sentence: str,
    *,
    code: str = "bad_request",
    ident: str = "",
    fits: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An `error` message as the JSON body of an HTTP error. `fits`: the tokens that a text may be cut to."""
    message: dict[str, Any] = {
        "v": VERSION,
        "id": ident,
        "type": "error",
        "last": True,
        "code": code,
        "message": sentence,
    }
    if fits is not None:
        message["fits"] = fits
    return JSONResponse(message, status_code=status, headers=dict(headers or {}))


def refusal_page(status: int, sentence: str, *, link: str | None = None) -> Response:
    """The same sentence as a page, for somebody who typed an address. `link` is a way on that may work."""
    onward = f'<p><a href="{escape(link)}">Open the page</a></p>' if link else ""
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>attnscope</title>'
        f"<h1>attnscope</h1><p>{escape(sentence)}</p>{onward}</html>"
    )
    return HTMLResponse(html, status_code=status)
