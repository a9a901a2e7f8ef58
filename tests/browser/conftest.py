"""Chromium for the browser tests. A test fails if its page logs an error or sends a request to another machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import bundle
import pytest
from helpers.chromium_page import TIMEOUT_MS, chromium_browser, watch_complaints
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, which finds accessibility problems."""
    bundle.install_packages(ROOT)
    return (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium per test file. Playwright keeps an event loop running, which must not affect other files."""
    with chromium_browser() as browser:
        yield browser


@pytest.fixture
def complaints() -> list[str]:
    """The errors and external requests of the page so far. A test that expects some checks them, then clears the list."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty page, 1400 × 900, without cookies; at the end of the test `complaints` must be empty."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    watch_complaints(page, complaints)
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def nurse(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with head 9.4 selected."""
    text = "The doctor asked the nurse a question. She"
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': text, 'layer': '9', 'heads': '4'})}")
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    return page
