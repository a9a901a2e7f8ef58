"""The gate in front of everything that the server answers. docs/explanation/security.md says what each check is for."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnscope.server.access import Access
from attnscope.server.replies import refusal, refusal_page

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

_READING = ("GET", "HEAD")


class Guard:
    """ASGI middleware: lets a request through to `app` only if every check passes."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":  # there is none; refused before it is accepted
            await send({"type": "websocket.close", "code": 1008})
        else:
            refused = self._refusal(scope)
            await (refused or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Why this request is not taken, or None. The cheapest and most general checks come first."""
        headers = Headers(scope=scope)
        method: str = scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.host_is(hosts[0], scope.get("server")):
            return refusal(421, "This server does not answer to that Host name: use the address that it printed.")
        if not _asked_from_here(headers, method):
            return refusal(403, "Another site asked for this; attnscope answers its own page only.", code="forbidden")
        if method in _READING and scope["path"] == "/":
            exchanged = self._exchange(scope)
            if exchanged is not None:
                return exchanged
        if not self._has_cookie(headers):
            return _unauthorised(headers)
        if method not in _READING and not _origin_is_own(headers, hosts[0]):
            return refusal(403, "The Origin of this request is not attnscope's own page.", code="forbidden")
        return None

    def _exchange(self, scope: Scope) -> Response | None:
        """The start URL: its token becomes a cookie, and the address loses it. None where the URL has no token."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if not given:
            return None
        if len(given) != 1 or not self._access.token_is(given[0]):
            return _unauthorised(Headers(scope=scope))
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        response = RedirectResponse(f"/?{rest}" if rest else "/", status_code=303)
        response.set_cookie(
            self._access.cookie_name, self._access.cookie_value, path="/", httponly=True, samesite="strict"
        )
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        for line in headers.getlist("cookie"):
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._access.cookie_name and self._access.cookie_is(value):
                    return True
        return False


def _asked_from_here(headers: Headers, method: str) -> bool:
    """What the browser says about who asks. A page elsewhere may link to attnscope, and nothing else."""
    site = headers.get("sec-fetch-site")
    if site is None or site == "same-origin":
        return True
    opened_by_a_person = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return method in _READING and (site == "none" or opened_by_a_person)


def _origin_is_own(headers: Headers, host: str) -> bool:
    """Browsers send an Origin with every POST. Without one (and without their other marks) the caller is a script."""
    origins = headers.getlist("origin")
    if not origins:
        return "sec-fetch-site" not in headers
    return origins == [f"http://{host}"]


def _unauthorised(headers: Headers) -> Response:
    sentence = "Open attnscope with the whole address that it printed when it started, with its token."
    if "text/html" not in headers.get("accept", ""):
        return refusal(401, sentence, code="forbidden")
    return refusal_page(401, sentence, link="/")


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return send_with_headers
