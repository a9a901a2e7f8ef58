"""Chromium for the browser tests. A page that complains, or asks anything of another machine, fails its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from surfing import PATIENCE_MS, surfing, watch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file (Playwright keeps an event loop running, which other files must not see)."""
    with surfing() as browser:
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
    page.set_default_timeout(PATIENCE_MS)
    watch(page, complaints)
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)
