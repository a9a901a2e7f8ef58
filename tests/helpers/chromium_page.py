"""Chromium for page tests: how it is started, and which errors of a page are collected."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import chromium
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, WebSocket, expect, sync_playwright

TIMEOUT_MS = (
    60_000  # also the cost of a failed wait; on a busy machine, a first load takes longer than the default of 5 s
)
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

expect.set_options(timeout=TIMEOUT_MS)


@contextmanager
def chromium_browser() -> Generator[Browser]:
    """A headless Chromium that can only reach this machine."""
    program = chromium.find()
    if program is None:
        pytest.fail(chromium.ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        browser.close()


def watch_complaints(page: Page, complaints: list[str], *, console: bool = True) -> None:
    """Collect uncaught errors, requests to other machines and, if `console` (the whole page is ours), console errors."""

    def on_console(message: ConsoleMessage) -> None:
        if console and message.type == "error":
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
