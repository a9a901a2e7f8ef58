"""Live figures: `{live-figure} nurse` shows a page that `attnscope.export` wrote, in a frame.

The functions of docs/live_figures.py write the pages while the site is built, each once, beside the site's pages in
`_live/`. The directive's content is the caption. Options: `height` in pixels, `address` (a URL hash, such as `layer=3`).
"""

from __future__ import annotations

from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

FOLDER = "_live"
LARGEST = 1_500_000
"""Bytes that a figure may have: a page of the documentation is to open at once."""
_log = logging.getLogger(__name__)


class LiveFrame(nodes.General, nodes.Element):
    """The frame of one live figure."""


class LiveFigure(SphinxDirective):
    """A live figure with its caption."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"height": directives.positive_int, "address": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """A figure with the frame, its caption, and a link to the page alone."""
        name = self.arguments[0]
        figures = import_module("live_figures").FIGURES
        if name not in figures:
            raise self.error(f"docs/live_figures.py has no figure {name!r}; it has {', '.join(sorted(figures))}.")
        self.env.live_figures = {*getattr(self.env, "live_figures", ()), name}  # type: ignore[attr-defined]
        if not self.content:
            raise self.error(f"The live figure {name!r} has no caption: write one as the directive's content.")
        shown = figures[name]
        frame = LiveFrame(
            name=name, title=shown.title, height=self.options.get("height", shown.height),
            address=self.options.get("address", ""),
        )  # fmt: skip
        parsed = self.parse_inline(" ".join(self.content), lineno=self.lineno)
        alone = LiveLink(name=name, address=frame["address"])
        made = nodes.figure(
            "", frame, nodes.caption("", "", *parsed[0], nodes.Text(" "), alone), classes=["live-figure"]
        )
        return [made, *parsed[1]]


class LiveLink(nodes.Inline, nodes.Element):
    """The link to the page of a live figure alone."""


def _address(translator: Any, node: nodes.Element) -> str:
    page = translator.builder.get_target_uri(translator.builder.current_docname)
    address = f"#{node['address']}" if node["address"] else ""
    return escape(relative_uri(page, f"{FOLDER}/{node['name']}.html") + address)


def _frame(translator: Any, node: LiveFrame) -> None:
    translator.body.append(
        f'<iframe src="{_address(translator, node)}" title="{escape(node["title"])}" loading="lazy" '
        f'style="height: {node["height"]}px"></iframe>'
    )
    raise nodes.SkipNode


def _link(translator: Any, node: LiveLink) -> None:
    translator.body.append(f'<a href="{_address(translator, node)}" target="_blank">Open in a new tab</a>')
    raise nodes.SkipNode


def _in_text(_translator: Any, _node: nodes.Element) -> None:
    raise nodes.SkipNode


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for name in sorted(getattr(app.env, "live_figures", ())):
        path = folder / f"{name}.html"
        import_module("live_figures").FIGURES[name].write(path)
        size = path.stat().st_size
        _log.info("live figure %s: %.2f MB", name, size / 1e6)
        if size > LARGEST:
            _log.warning("The live figure %r has %d bytes; the most is %d.", name, size, LARGEST)


def _merge(_app: Sphinx, env: BuildEnvironment, _docnames: list[str], other: BuildEnvironment) -> None:
    env.live_figures = {*getattr(env, "live_figures", ()), *getattr(other, "live_figures", ())}  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Adds the directive, and writes the figures when the pages are done."""
    app.add_node(LiveFrame, html=(_frame, None), text=(_in_text, None))
    app.add_node(LiveLink, html=(_link, None), text=(_in_text, None))
    app.add_directive("live-figure", LiveFigure)
    app.connect("env-merge-info", _merge)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1", "env_version": 1}
