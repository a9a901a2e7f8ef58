"""One Chromium and one JupyterLab for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.chromium_page import chromium_browser
from helpers.jupyterlab_process import running_jupyterlab
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium per test file. Playwright keeps an event loop running, which must not affect other files."""
    with chromium_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the notebooks."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves `folder`."""
    with running_jupyterlab(folder) as url:
        yield url
