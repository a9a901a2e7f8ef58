"""How a browser gets in: the start URL, further tabs, and a page without its key."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from helpers.app_process import running_app, wait_until_loaded
from playwright.sync_api import Page, expect

HELLO = {"v": 1, "id": "1", "type": "hello"}


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    with running_app("serve", "minilm") as url:
        wait_until_loaded(url)
        yield url


@pytest.fixture
def neighbor() -> Iterator[tuple[str, list[str]]]:
    """A web server of somebody else on another port of this host, and the Cookie headers that it has seen."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Cookie") or "")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, code: object = "-", size: object = "-") -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", seen
        server.shutdown()


def shown(page: Page) -> None:
    expect(page.get_by_test_id("query-0")).to_be_visible(timeout=240_000)


def test_the_start_url_keeps_its_state_and_shows_no_secret(page: Page, own_server: str) -> None:
    page.goto(f"{own_server}&mark=1#model=minilm&text=a+b&layer=2&heads=3")
    shown(page)
    address = urlsplit(page.url)
    assert (address.path, address.query) == ("/", "mark=1")
    assert "layer=2" in address.fragment and "heads=3" in address.fragment
    page.reload()
    shown(page)
    page.goto("about:blank")
    page.go_back()
    shown(page)
    assert "page-key" not in page.url and "token=" not in page.url


def test_a_second_tab_with_a_copied_link_gets_in(page: Page, own_server: str) -> None:
    page.goto(f"{own_server}#model=minilm&text=a+b&layer=2&heads=3")
    shown(page)
    second = page.context.new_page()
    second.goto(page.url)
    shown(second)


def test_a_neighbors_server_gets_the_cookie_but_cannot_use_it(
    page: Page, own_server: str, neighbor: tuple[str, list[str]]
) -> None:
    elsewhere, seen = neighbor
    page.goto(f"{own_server}#model=minilm&text=a+b")
    shown(page)
    page.goto(elsewhere)
    (cookie,) = [one for one in seen if "attnscope-" in one][:1]
    base = own_server.partition("/?")[0]
    for headers in ({"cookie": cookie}, {"cookie": cookie, "origin": base, "sec-fetch-site": "same-origin"}):
        assert httpx.post(f"{base}/api", json=HELLO, headers=headers).status_code == 401
    assert httpx.get(base, headers={"cookie": cookie}).status_code == 200  # the page itself holds nothing secret


def test_a_page_without_its_key_says_what_to_do(page: Page, own_server: str, complaints: list[str]) -> None:
    page.goto(f"{own_server}#model=minilm&text=a+b")
    shown(page)
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.get_by_test_id("welcome")).to_contain_text("from the terminal where attnscope was started")
    assert all("401" in one for one in complaints)
    complaints.clear()
    page.goto(own_server)
    shown(page)
