"""Security checks on every request. docs/explanation/security.md explains what each check is for."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnscope.server.access import Access
from attnscope.server.replies import error_page, error_response

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

_DENIED = (
    "Permission denied: this browser has not opened the app with its token. Open the full address, which contains ?token=, "
    "from the terminal where attnscope was started."
)
_ABOUT_LINKS = (
    "A link copied from the app works after that, in this browser, while the app runs.",
    "Did someone send you a link? It works in their browser only. Ask them for an offline page (Export, Offline page): one file "
    "that shows the same view in any browser.",
)
_READ_METHODS = ("GET", "HEAD")


class Guard:
    """ASGI middleware that passes a request to `app` only if every check succeeds."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":  # unsupported: closed before it is accepted
            await send({"type": "websocket.close", "code": 1008})
        else:
            response = self._check(scope)
            await (response or self._app)(scope, receive, _with_headers(send))

    def _check(self, scope: Scope) -> Response | None:
        """The response that ends this request early (an error or a redirect), or None. The cheapest checks come first."""
        headers = Headers(scope=scope)
        method: str = scope["method"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.host_is(hosts[0], scope.get("server")):
            return error_response(421, "Unknown host name: use the address from the terminal.")
        if not _is_same_site(headers, method):
            return error_response(403, "Permission denied: the request came from another site.", code="forbidden")
        if method in _READ_METHODS and scope["path"] == "/":
            redirect = self._exchange_token(scope)
            if redirect is not None:
                return redirect
        if not self._has_cookie(headers):
            return _permission_denied(headers)
        if method not in _READ_METHODS and not _is_own_origin(headers, hosts[0]):
            return error_response(
                403, "Permission denied: the request's Origin is not attnscope's page.", code="forbidden"
            )
        return None

    def _exchange_token(self, scope: Scope) -> Response | None:
        """Exchange the token in the start URL for a cookie, and redirect to the URL without it. None without a token."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if not tokens:
            return None
        if len(tokens) != 1 or not self._access.token_is(tokens[0]):
            return _permission_denied(Headers(scope=scope))
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


def _is_same_site(headers: Headers, method: str) -> bool:
    """Whether the Sec-Fetch headers allow this request. Another site may link to attnscope, but nothing else."""
    site = headers.get("sec-fetch-site")
    if site is None or site == "same-origin":
        return True
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return method in _READ_METHODS and (site == "none" or is_navigation)


def _is_own_origin(headers: Headers, host: str) -> bool:
    """Whether the Origin is attnscope's page.

    Browsers send an Origin with every POST. A request with neither an Origin nor Sec-Fetch headers comes from a script.
    """
    origins = headers.getlist("origin")
    if not origins:
        return "sec-fetch-site" not in headers
    return origins == [f"http://{host}"]


def _permission_denied(headers: Headers) -> Response:
    if "text/html" not in headers.get("accept", ""):
        return error_response(401, _DENIED, code="forbidden")
    # A browser does not send the cookie with a request that another site caused. It sends it when this page asks again.
    again = "/" if headers.get("sec-fetch-site") == "cross-site" else None
    return error_page(401, _DENIED, *_ABOUT_LINKS, open_next=again)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return send_with_headers
