"""Code in the text that is the name of something public, such as `Model.trace`, becomes a link to its reference."""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any

from api_reference import MODULES, public_names
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

_NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")


@cache
def targets() -> dict[str, str]:
    """The full name for each way to write it: with and without `attnscope.`, a class also with each of its members."""
    found: dict[str, str] = {}
    for module in reversed(MODULES):
        for name in public_names(module):
            value = getattr(import_module(module), name)
            if inspect.ismodule(value):
                continue
            full = f"{module}.{name}"
            names = {full: full}
            if isinstance(value, type):
                names |= {f"{full}.{one}": f"{full}.{one}" for one in vars(value) if not one.startswith("_")}
            for written in names:
                short = written.removeprefix("attnscope.")
                found[written] = found[short] = names[written]
                if isinstance(value, type) and module != "attnscope":
                    found[written.removeprefix(f"{module}.")] = names[written]
    return found


def _link(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    for reference in doctree.findall(pending_xref):
        if reference.get("refdomain") == "py":
            # Only whole names: Sphinx would take the `layer` of [layer, head] for any attribute of that name.
            reference["reftarget"] = targets().get(reference["reftarget"], reference["reftarget"])
            reference.attributes.pop("refspecific", None)
    for node in list(doctree.findall(nodes.literal)):
        text = node.astext()
        if not _NAME.fullmatch(text) or _inside(node, (nodes.title, nodes.reference, pending_xref)):
            continue
        full = targets().get(text.removesuffix("()"))
        if full is None:
            continue
        link = pending_xref(
            "", refdomain="py", reftype="obj", reftarget=full, refdoc=docname, refexplicit=True, refwarn=False
        )
        node.replace_self(link)
        link += node


def _inside(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Looks through each page once it is read."""
    app.connect("doctree-read", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
