"""The web application: the page, its files, and one address for all requests, behind the guard."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from attnscope.server.access import Access
from attnscope.server.api import Api
from attnscope.server.body import BodyLimits
from attnscope.server.guard import Guard
from attnscope.server.replies import refusal
from attnscope.server.static import StaticFiles
from attnscope.session import Session


def create_app(
    session: Session, access: Access, *, static: StaticFiles | None = None, body_limits: BodyLimits | None = None
) -> ASGIApp:
    """The ASGI application for a session. Everything in it, errors too, is behind `Guard`."""
    files = static or StaticFiles()
    app = Starlette(
        routes=[
            Route("/", files.page, methods=["GET"]),
            Route("/static/{name:path}", files.file, methods=["GET"]),
            Route("/api", Api(session, body_limits or BodyLimits())),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return Guard(app, access)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return refusal(405, "This address takes GET only.", headers=error.headers)
    return refusal(error.status_code, "There is nothing at this address.", code="unknown", headers=error.headers)
