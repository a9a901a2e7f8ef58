"""Docstrings as they are written here become reStructuredText.

They read like Markdown: indented blocks are code, single backticks are code (conf.py's default role), signs such as `*`
and `|` are themselves, and a page of the documentation is named by its path from the root of the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from sphinx.application import Sphinx

_SECTION = re.compile(
    r"^(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|Returns|References|See Also|Warns|Warning|Yields):$"
)
_CODE = re.compile(r"(``.+?``|`[^`]+`)")
_PAGE = re.compile(r"`?\bdocs/([\w/-]+)\.md\b`?")
_DRAWING = re.compile(r"[├└│─←]")


def to_rst(lines: list[str]) -> list[str]:
    """The same docstring in reStructuredText."""
    return list(_converted(lines))


def _converted(lines: list[str]) -> Iterator[str]:
    in_section = in_code = False
    before = ""
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            in_section, in_code = bool(_SECTION.match(line)), False
        if indented and not in_section and not in_code and not before.strip():
            in_code = True
            block = takewhile(lambda one: not one.strip() or one.startswith("    "), lines[number:])
            yield f".. code-block:: {'text' if any(map(_DRAWING.search, block)) else 'python'}"
            yield ""
        yield line if in_code or not line.strip() else _text(line)
        before = line


def _text(line: str) -> str:
    parts = _CODE.split(_PAGE.sub(lambda page: f":doc:`/{page[1]}`", line))
    return "".join(part if index % 2 else _escaped(part) for index, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"(?<!\*)\*(?!\*)", r"\\*", text)
    return re.sub(r"\||(?<=\w)_(?=\W|$)", lambda sign: f"\\{sign[0]}", text)


def _on_docstring(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = to_rst(lines)


def types_in_signatures(lines: list[str]) -> list[str]:
    """Attributes as napoleon writes them, with the type as part of the name's line and not as text below it."""
    moved: list[str] = []
    place = 0
    for line in lines:
        if line.startswith(".. attribute::"):
            place = len(moved) + 1
        if place and line.startswith("   :type: "):
            moved.insert(place, line.replace("jaxtyping.", ""))
        else:
            moved.append(line)
    return moved


def _after_napoleon(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = types_in_signatures(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Works on each docstring before and after napoleon."""
    app.connect("autodoc-process-docstring", _on_docstring, priority=400)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
