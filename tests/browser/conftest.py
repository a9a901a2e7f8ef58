"""Chromium for the browser tests. A page that complains, or asks anything of another machine, fails its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bundle
import pytest
from helpers.chromium_page import TIMEOUT_MS, chromium_browser, watch_complaints
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, which finds faults of accessibility."""
    bundle.install_packages(ROOT)
    return (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file (Playwright keeps an event loop running, which other files must not see)."""
    with chromium_browser() as browser:
        yield browser


@pytest.fixture
def complaints() -> list[str]:
    """What the page complained of so far. A test that provokes a complaint looks at it, then clears the list."""
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
