"""Security checks on every request. docs/explanation/security.md explains what each check is for."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnscope.server.access import Access
from attnscope.server.connections import LARGEST_HEAD, admit
from attnscope.server.replies import SECURITY_HEADERS, error_page, error_response

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
_PAGE_KEY = "page-key"
_PAGE_KEY_HEADER = "x-attnscope-page-key"


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
            if response is None:
                admit(scope)
            await (response or self._app)(scope, receive, _with_headers(send))

    def _check(self, scope: Scope) -> Response | None:
        """The response that ends this request early (an error or a redirect), or None. The cheapest checks come first."""
        headers = Headers(scope=scope)
        method: str = scope["method"]
        malformed = _malformed(scope, headers)
        if malformed is not None:
            return malformed
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._access.host_is(hosts[0], scope.get("server")):
            return error_response(421, "Unknown host name: use the address from the terminal.")
        if not _is_same_site(headers, method):
            return error_response(403, "Permission denied: the request came from another site.", code="forbidden")
        if method in _READ_METHODS and scope["path"] == "/":
            redirect = self._exchange_token(scope, headers)
            if redirect is not None:
                return redirect
        if not self._may_enter(scope["path"], headers):
            return _permission_denied(headers)
        if method not in _READ_METHODS and not _is_own_origin(headers, hosts[0]):
            return error_response(
                403, "Permission denied: the request's Origin is not attnscope's page.", code="forbidden"
            )
        return None

    def _exchange_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Exchange the token in the start URL for a cookie, and redirect to the URL without it. None without a token.

        A browser also gets the page key, in the query of the redirect. (A fragment there would replace that of the start URL.)
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if not tokens:
            return None
        if len(tokens) != 1 or not self._access.token_is(tokens[0]):
            return _permission_denied(headers)
        rest = [(name, value) for name, value in query if name not in ("token", _PAGE_KEY)]
        cookie = self._access.script_cookie
        if _is_browser(headers):
            rest.append((_PAGE_KEY, self._access.page_key))
            cookie = self._access.page_cookie
        response = RedirectResponse(f"/?{urlencode(rest)}" if rest else "/", status_code=303)
        response.set_cookie(self._access.cookie_name, cookie, path="/", httponly=True, samesite="strict")
        return response

    def _may_enter(self, path: str, headers: Headers) -> bool:
        """Whether the request has the token, the cookie of a program, or the cookie of a browser.

        With the cookie of a browser, anything but the page's own files also needs the page key.
        """
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._access.token_is(credentials.strip()):
            return True
        cookies = self._cookies(headers)
        if any(self._access.script_cookie_is(value) for value in cookies):
            return True
        if not any(self._access.page_cookie_is(value) for value in cookies):
            return False
        is_file = path == "/" or path.startswith("/static/")
        return is_file or self._access.page_key_is(headers.get(_PAGE_KEY_HEADER, ""))

    def _cookies(self, headers: Headers) -> list[str]:
        pairs = (pair.strip().partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
        return [value for name, _, value in pairs if name == self._access.cookie_name]


def _malformed(scope: Scope, headers: Headers) -> Response | None:
    """The response to a request that servers may read differently, or whose headers are too large; None for all others."""
    close = {"connection": "close"}
    if "transfer-encoding" in headers and "content-length" in headers:
        return error_response(400, "Send either Content-Length or Transfer-Encoding, not both.", headers=close)
    size = len(scope["raw_path"]) + len(scope["query_string"])
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    if size > LARGEST_HEAD:
        return error_response(
            431, f"The request's address and headers have more than {LARGEST_HEAD:,} bytes.", headers=close
        )
    return None


def _is_browser(headers: Headers) -> bool:
    """Whether a request for the page comes from a browser. Browsers ask for HTML when they open an address."""
    return "text/html" in headers.get("accept", "").lower() or "sec-fetch-dest" in headers


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
