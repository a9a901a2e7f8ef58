"""Rich display of traces and models in notebooks, through functions that higher layers register.

Traces and models sit in lower layers than the notebook widget and cannot import it. They subclass `Displayed`;
`attnscope/__init__.py` registers the function that builds their widget and the function that exports a trace as a page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_makers: list[Callable[[Any], Any]] = []
_exporters: list[Callable[..., str]] = []


def display_with(maker: Callable[[Any], Any]) -> None:
    """Register a function that builds a widget for a `Displayed` object. The last one registered is used."""
    _makers.append(maker)


def export_with(exporter: Callable[..., str]) -> None:
    """Register a function that renders a trace as an HTML page (a `session.Exporter`). The last one registered is used."""
    _exporters.append(exporter)


def exporter() -> Callable[..., str] | None:
    """The registered function that renders a trace as an HTML page, or None."""
    return _exporters[-1] if _exporters else None


def in_notebook() -> bool:
    """Whether a widget could be displayed: inside a kernel, `comm.create_comm` is the kernel's own, not the default stub."""
    comm: Any = sys.modules.get("comm")
    return comm is not None and comm.create_comm.__module__ != comm.__name__


class Displayed:
    """Mixin for objects that display as a widget at the end of a notebook cell, and as text in a terminal."""

    def _ipython_display_(self) -> None:
        if not (_makers and in_notebook()):
            raise NotImplementedError  # IPython then falls back to the other representations: here the text
        _makers[-1](self)._ipython_display_()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return _makers[-1](self)._repr_mimebundle_(**options) if _makers and in_notebook() else None

    def _display_(self) -> Any:  # called by marimo
        return _makers[-1](self) if _makers else repr(self)
