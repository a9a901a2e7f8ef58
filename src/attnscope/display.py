"""How a trace or a model shows itself where a notebook asks: through whatever registered for it.

Traces and models lie below the notebook's widget and do not know it. They are `Displayed`; `attnscope/__init__.py`
registers what makes a widget of them, and what makes a file of a trace for the widget's page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_makers: list[Callable[[Any], Any]] = []
_exporters: list[Callable[..., str]] = []


def display_with(maker: Callable[[Any], Any]) -> None:
    """Register what makes a widget of something `Displayed`. The one registered last is asked."""
    _makers.append(maker)


def export_with(exporter: Callable[..., str]) -> None:
    """Register what makes the HTML of a page of a trace: a `session.Exporter`. The one registered last is asked."""
    _exporters.append(exporter)


def exporter() -> Callable[..., str] | None:
    """What makes a page of a trace, where something registered for it."""
    return _exporters[-1] if _exporters else None


def in_notebook() -> bool:
    """Whether a widget would reach a page: a kernel has put its own messages in place of those that reach nobody."""
    comm: Any = sys.modules.get("comm")
    return comm is not None and comm.create_comm.__module__ != comm.__name__


class Displayed:
    """Something that shows itself as the last value of a notebook's cell, and as text in a terminal."""

    def _ipython_display_(self) -> None:
        if not (_makers and in_notebook()):
            raise NotImplementedError  # IPython then asks for the other forms: here the text
        _makers[-1](self)._ipython_display_()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return _makers[-1](self)._repr_mimebundle_(**options) if _makers and in_notebook() else None

    def _display_(self) -> Any:  # marimo's
        return _makers[-1](self) if _makers else repr(self)
