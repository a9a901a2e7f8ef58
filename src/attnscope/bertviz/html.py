"""The page as an object that a notebook shows, and whose `.data` is its HTML."""

from __future__ import annotations

import html
from typing import Any

from attnscope.errors import InputError, MissingError

HEIGHT = 680
"""Of the page in a notebook, CSS pixels."""

_FRAME = (
    '<iframe title="attnscope" sandbox="allow-scripts allow-downloads allow-popups" '
    'style="width:100%;height:{height}px;border:0" srcdoc="{page}"></iframe>'
)


class _Page:
    """One self-contained page. `data` is its whole HTML: written to a file, it opens in any browser, without a network."""

    def __init__(self, data: str) -> None:
        self.data = data

    def _repr_html_(self) -> str:
        return _FRAME.format(height=HEIGHT, page=html.escape(self.data))

    def __repr__(self) -> str:
        size = len(self.data) / 1e6
        return (
            f"<attnscope page, {size:.1f} MB: a notebook shows it; elsewhere pass html_action='return' and write `.data` to an "
            ".html file>"
        )


def delivered(page: str, html_action: str) -> Any:
    """`'view'`: show the page in the notebook. `'return'`: an object with `.data` (IPython's `HTML` where it is installed)."""
    if html_action == "return":
        return _object(page)
    try:
        from IPython.display import display
    except ImportError as error:
        raise MissingError(
            "There is no IPython to show the page in. Pass html_action='return' and write `.data` to an .html file, or call this "
            "in a notebook."
        ) from error
    display(_object(page))
    return None


def check_action(html_action: Any) -> None:
    """Raise `InputError` for an action that there is not."""
    if html_action not in ("view", "return"):
        raise InputError(f"`html_action` is 'view' or 'return'; got {html_action!r}.")


def check_mode(display_mode: Any) -> None:
    """Raise `InputError` for a display mode that there is not."""
    if display_mode not in ("dark", "light"):
        raise InputError(f"`display_mode` is 'dark' or 'light'; got {display_mode!r}.")


def _object(page: str) -> Any:
    try:
        from IPython.display import HTML
    except ImportError:
        return _Page(page)

    class Page(_Page, HTML):
        """IPython's HTML, shown in a frame of its own."""

        def __init__(self, data: str) -> None:
            HTML.__init__(self, "")
            self.data = data

    return Page(page)
