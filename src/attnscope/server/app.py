"""The web application: the page, its static files, and `/api` for all requests. `Guard` checks each request first."""

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
from attnscope.server.replies import error_response
from attnscope.server.static import StaticFiles
from attnscope.session import Session


def create_app(
    session: Session, access: Access, *, static: StaticFiles | None = None, body_limits: BodyLimits | None = None
) -> ASGIApp:
    """The ASGI application for a session. `Guard` wraps all of it, including error responses."""
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
        return error_response(405, "Method not allowed: use GET for this address.", headers=error.headers)
    return error_response(
        error.status_code, "Not found: no page at this address.", code="unknown", headers=error.headers
    )
