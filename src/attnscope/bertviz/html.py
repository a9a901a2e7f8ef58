"""The page as an object that notebooks display and whose `.data` is its HTML."""

from __future__ import annotations

import html
from typing import Any

from attnscope.errors import InputError, MissingError

HEIGHT = 680
"""Height of the page in a notebook, in CSS pixels."""

_FRAME = (
    '<iframe title="attnscope" sandbox="allow-scripts allow-downloads allow-popups" '
    'style="width:100%;height:{height}px;border:0" srcdoc="{page}"></iframe>'
)


class _Page:
    """One self-contained page. `data` is its complete HTML, which can be written to a file and opened offline in any browser."""

    def __init__(self, data: str) -> None:
        self.data = data

    def _repr_html_(self) -> str:
        return _FRAME.format(height=HEIGHT, page=html.escape(self.data))

    def __repr__(self) -> str:
        size = len(self.data) / 1e6
        return (
            f"<attnscope page, {size:.1f} MB. Notebooks display it; elsewhere, pass html_action='return' and write `.data` to an "
            ".html file.>"
        )


def deliver(page: str, html_action: str) -> Any:
    """`'view'`: display the page in the notebook. `'return'`: return an object with `.data` (IPython's `HTML` if installed)."""
    if html_action == "return":
        return _page_object(page)
    try:
        from IPython.display import display
    except ImportError as error:
        raise MissingError(
            "IPython is not installed, so the page cannot be displayed. Pass html_action='return' and write `.data` to an .html "
            "file, or call this in a notebook."
        ) from error
    display(_page_object(page))
    return None


def check_action(html_action: Any) -> None:
    """Raise `InputError` for an unknown `html_action`."""
    if html_action not in ("view", "return"):
        raise InputError(f"`html_action` must be 'view' or 'return'; got {html_action!r:.80}.")


def check_mode(display_mode: Any) -> None:
    """Raise `InputError` for an unknown `display_mode`."""
    if display_mode not in ("dark", "light"):
        raise InputError(f"`display_mode` must be 'dark' or 'light'; got {display_mode!r:.80}.")


def _page_object(page: str) -> Any:
    try:
        from IPython.display import HTML
    except ImportError:
        return _Page(page)

    class Page(_Page, HTML):
        """IPython's `HTML`, displayed in an iframe."""

        def __init__(self, data: str) -> None:
            HTML.__init__(self, "")
            self.data = data

    return Page(page)
