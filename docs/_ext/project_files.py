"""Files of the project that are pages too: a link from one to another leads to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PAGES = {"(CHANGELOG.md)": "(docs/changelog.md)", "(CONTRIBUTING.md)": "(docs/internals/contributing.md)"}


def _linked(_app: Sphinx, _file: Path, _page: str, content: list[str]) -> None:
    for file, page in PAGES.items():
        content[0] = content[0].replace(file, page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Looks through each included file."""
    app.connect("include-read", _linked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
