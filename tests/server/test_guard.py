"""Access checks: the Host, the token and its cookie, the Origin; and the security headers of every response."""

from __future__ import annotations

import http.client

import httpx
import pytest

HELLO = b'{"v":1,"id":"1","type":"hello"}'


def post(running, *, host=None, headers=(), cookie=True, body=HELLO, kind="application/json") -> bytes:
    lines = [b"POST /api HTTP/1.1", b"Host: " + (host or f"127.0.0.1:{running.port}").encode("latin-1")]
    if cookie:
        lines.append(b"Cookie: " + running.cookie.encode())
    lines += [f"Content-Type: {kind}".encode(), b"Content-Length: %d" % len(body)]
    lines += [header.encode("latin-1") for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_the_page_with_its_cookie_and_origin_is_allowed(running):
    assert running.status(post(running, headers=[f"Origin: {running.base}", "Sec-Fetch-Site: same-origin"])) == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_loopback_names_with_the_right_port_are_answered(running, name):
    host = f"{name}:{running.port}"
    assert running.status(post(running, host=host, headers=[f"Origin: http://{host}"])) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:{port}",
        "localhost.evil.com:{port}",
        "evil-localhost:{port}",
        "127.0.0.1.evil.com:{port}",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1:{port}0",
        "127.0.0.1:{port}@evil.com",
        "127.0.0.1:{port}, evil.com",
        "localhost.:{port}",
        "0.0.0.0:{port}",
        "127.1:{port}",
        "2130706433:{port}",
        "\xe9:{port}",
        "",
    ],
)
def test_any_other_host_is_rejected_even_if_everything_else_is_valid(running, host):
    host = host.format(port=running.port)
    answer = running.raw(post(running, host=host or " ", headers=[f"Origin: http://{host}"]))
    assert answer.startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))


def test_a_request_with_two_hosts_or_none_is_rejected(running):
    own = f"Host: 127.0.0.1:{running.port}\r\n".encode()
    rest = b"Cookie: " + running.cookie.encode() + b"\r\n\r\n"
    assert running.status(b"GET / HTTP/1.1\r\n" + own + rest) == 200
    assert running.status(b"GET / HTTP/1.1\r\n" + own + b"Host: evil.com\r\n" + rest) == 400
    assert running.status(b"GET / HTTP/1.1\r\n" + rest) == 400
    assert running.status(b"GET / HTTP/1.0\r\n" + rest) == 421


def test_the_token_in_the_start_url_is_exchanged_for_a_cookie_and_removed(running):
    answer = httpx.get(f"{running.base}/?token={running.token}&view=head", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?view=head"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"attnscope-{running.port}=")
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert running.token not in cookie
    with httpx.Client(follow_redirects=True) as client:
        page = client.get(f"{running.base}/?token={running.token}")
        assert page.status_code == 200
        assert "token" not in str(page.url)


BROWSER = {
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "sec-fetch-site": "none",
    "sec-fetch-dest": "document",
}


def opened_by_a_browser(running) -> tuple[str, str]:
    """The cookie and the page key that a browser gets for the start URL."""
    answer = httpx.get(f"{running.base}/?token={running.token}&view=head", headers=BROWSER)
    assert answer.status_code == 303
    address = httpx.URL(answer.headers["location"])
    assert (address.path, dict(address.params).keys()) == ("/", {"view", "page-key"})
    return answer.headers["set-cookie"].partition(";")[0], address.params["page-key"]


def test_a_browsers_cookie_alone_opens_no_api(running):
    """Another user's server on another port of this host gets the cookie, since browsers share cookies between ports."""
    cookie, key = opened_by_a_browser(running)
    page = {"cookie": cookie, "origin": running.base}
    hello = {"v": 1, "id": "1", "type": "hello"}
    with httpx.Client(base_url=running.base, headers=page) as client:
        assert client.get("/").status_code == client.get("/static/app.js").status_code == 200
        assert client.post("/api", json=hello).status_code == 401
        for wrong in ("", "wrong", key[:-1], running.cookie.partition("=")[2], cookie.partition("=")[2]):
            assert client.post("/api", json=hello, headers={"x-attnscope-page-key": wrong}).status_code == 401
        assert client.post("/api", json=hello, headers={"x-attnscope-page-key": key}).status_code == 200
    assert httpx.post(f"{running.base}/api", json=hello, headers={"x-attnscope-page-key": key}).status_code == 401


def test_nothing_that_the_cookie_opens_contains_the_page_key(running):
    cookie, key = opened_by_a_browser(running)
    with httpx.Client(base_url=running.base, headers={"cookie": cookie}) as client:
        for path in ("/", f"/?page-key={key[:8]}", "/static/app.js", "/nothing"):
            answer = client.get(path)
            assert key not in answer.text and key not in str(answer.headers)


def test_a_program_needs_only_its_cookie_or_the_token(running):
    hello = {"v": 1, "id": "1", "type": "hello"}
    with httpx.Client(base_url=running.base) as client:
        assert client.get(f"/?token={running.token}").headers["location"] == "/"
        assert client.post("/api", json=hello).status_code == 200
    for scheme in ("Bearer", "bearer"):
        bearer = {"authorization": f"{scheme} {running.token}"}
        assert httpx.post(f"{running.base}/api", json=hello, headers=bearer).status_code == 200
    for wrong in ("Bearer", "Bearer wrong", f"Bearer {running.token}x", f"Basic {running.token}", running.token):
        assert httpx.post(f"{running.base}/api", json=hello, headers={"authorization": wrong}).status_code == 401


def test_the_redirect_stays_on_the_server(running):
    for path in (f"//evil.com/?token={running.token}", f"/static/app.js?token={running.token}"):
        answer = running.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"location" not in answer.lower()


@pytest.mark.parametrize(
    "query", ["?token=", "?token=wrong", "?token={token}x", "?token={short}", "?token={token}&token=x"]
)
def test_a_wrong_token_is_rejected(running, query):
    query = query.format(token=running.token, short=running.token[:-1])
    answer = httpx.get(f"{running.base}/{query}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/nothing"])
def test_without_the_cookie_nothing_is_served(running, path):
    assert httpx.get(running.base + path).status_code == 401
    assert httpx.get(running.base + path, headers={"cookie": f"attnscope-{running.port}=wrong"}).status_code == 401
    other_port = running.cookie.replace(str(running.port), "1")
    assert httpx.get(running.base + path, headers={"cookie": other_port}).status_code == 401
    assert httpx.get(running.base + path, headers={"cookie": "theme=dark; " + running.cookie}).status_code in (200, 404)


def test_a_post_without_the_cookie_is_rejected(running):
    assert running.status(post(running, cookie=False, headers=[f"Origin: {running.base}"])) == 401


def test_tokens_and_cookies_are_compared_in_constant_time(running, monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    httpx.get(f"{running.base}/?token=guess")
    httpx.get(running.base, headers={"cookie": f"attnscope-{running.port}=guess"})
    access = running.listener.access
    secrets = (access.token, access.script_cookie, access.page_cookie)
    assert compared == [(b"guess", secret.encode()) for secret in secrets]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.com",
        "http://127.0.0.1:{port}.evil.com",
        "http://localhost.evil.com:{port}",
        "http://evil.com/127.0.0.1:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "127.0.0.1:{port}",
        "",
    ],
)
def test_a_post_from_any_other_origin_is_rejected(running, origin):
    header = f"Origin: {origin.format(port=running.port)}"
    assert running.status(post(running, headers=[header])) == 403


def test_two_origins_are_rejected(running):
    assert running.status(post(running, headers=[f"Origin: {running.base}", "Origin: http://evil.com"])) == 403


def test_a_post_without_an_origin_is_allowed_for_scripts_but_not_for_browsers(running):
    assert running.status(post(running)) == 200
    assert running.status(post(running, headers=["Sec-Fetch-Site: same-origin"])) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "unheard-of"])
def test_a_post_marked_as_cross_site_by_the_browser_is_rejected(running, site):
    assert running.status(post(running, headers=[f"Origin: {running.base}", f"Sec-Fetch-Site: {site}"])) == 403


def test_another_site_can_link_to_the_page_but_not_embed_or_load_it(running):
    with running.client() as client:
        foreign = {"sec-fetch-site": "cross-site"}
        link = {**foreign, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        frame = {**foreign, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
        script = {**foreign, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}
        assert client.get("/", headers=link).status_code == 200
        assert client.get("/", headers=frame).status_code == 403
        assert client.get("/static/app.js", headers=script).status_code == 403


def test_every_response_carries_the_security_headers(running):
    with running.client() as client:
        answers = [
            client.get("/"),
            client.get("/static/app.js"),
            client.get("/nothing"),
            client.post("/api", json={"v": 1, "id": "1", "type": "hello"}),
            client.post("/api", content=b"x", headers={"content-type": "text/plain"}),
            client.delete("/api"),
            httpx.get(running.base),
            httpx.get(running.base, headers={"host": "evil.com"}),
            httpx.get(f"{running.base}/?token={running.token}"),
        ]
    for answer in answers:
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self' data: blob:",
            "worker-src": "'self' blob:",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
        assert headers["cache-control"] == ("no-cache" if answer.url.path.startswith("/static") else "no-store")


def test_a_cors_preflight_from_another_site_is_rejected(running):
    answer = httpx.options(
        f"{running.base}/api",
        headers={"origin": "http://evil.com", "access-control-request-method": "POST", "cookie": running.cookie},
    )
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_websockets_are_rejected(running):
    lines = [
        "GET /api HTTP/1.1",
        f"Host: 127.0.0.1:{running.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    assert running.status("\r\n".join([*lines, "", ""]).encode()) == 401
    assert running.status("\r\n".join([*lines, f"Cookie: {running.cookie}", "", ""]).encode()) == 405


def test_errors_are_json_for_scripts_and_a_page_for_browsers(running):
    answer = httpx.get(running.base)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["type"] == "error"
    assert answer.json()["message"].endswith(".")
    page = httpx.get(running.base, headers={"accept": "text/html"})
    assert page.status_code == 401
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "href" not in page.text  # a link to the same address would lead to the same page
    assert "refresh" not in page.text
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    following = httpx.get(running.base, headers={"accept": "text/html", **link})
    assert following.status_code == 401
    assert 'http-equiv="refresh" content="0; url=/"' in following.text
    for part in ("from the terminal where attnscope was started", "?token=", "offline page"):
        assert part in page.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_other_methods_are_rejected(running, method):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    for path in ("/", "/static/app.js"):
        connection.request(method, path, headers={"Cookie": running.cookie, "Origin": running.base})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 405
    connection.close()
