"""Chromium for the browser tests. A page that complains, or asks anything of another machine, fails its test."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import chromium
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, WebSocket, expect, sync_playwright

PATIENCE_MS = 60_000  # a failed wait costs this much; a first load on a busy machine needs more than Playwright's 5 s
LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSIDE = ("data", "blob", "about", "file")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file (Playwright keeps an event loop running, which other files must not see)."""
    program = chromium.find()
    if program is None:
        pytest.fail(chromium.ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page complained of so far. A test that provokes a complaint looks at it, then clears the list."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty page, 1400 × 900, without cookies; at the end of the test `complaints` must be empty."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    _watch(page, complaints)
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)


def _watch(page: Page, complaints: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console error: {message.text} ({message.location})")

    def on_error(error: Error) -> None:
        complaints.append(f"uncaught error: {error.stack or error.message}")

    def on_request(request: Request) -> None:
        _must_stay(request.url, complaints)

    def on_socket(socket: WebSocket) -> None:
        _must_stay(socket.url, complaints)

    page.on("console", on_console)
    page.on("pageerror", on_error)
    page.on("request", on_request)
    page.on("websocket", on_socket)


def _must_stay(url: str, complaints: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in INSIDE and parts.hostname not in LOOPBACK:
        complaints.append(f"request to another machine: {url}")
