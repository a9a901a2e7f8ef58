"""The API reference: `.. api-module:: attnscope.edits` documents every public name of a module, as `__all__` lists them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

MODULES = (
    "attnscope.errors",
    "attnscope",
    "attnscope.analysis",
    "attnscope.analysis.patterns",
    "attnscope.bertviz",
    "attnscope.edits",
    "attnscope.testing",
)
"""The modules that have a page, each named like the module. What several of them offer is documented on the first one's."""


def public_names(module: str) -> list[str]:
    """What a module offers: its `__all__`, or the classes that it defines."""
    home = import_module(module)
    listed = getattr(home, "__all__", None)
    if listed is None:
        listed = [name for name, value in vars(home).items() if getattr(value, "__module__", "") == module]
    return list(listed)


@cache
def public_places() -> dict[str, str]:
    """The documented name of every public object, by where it is defined: {"attnscope.model.model.Model": "attnscope.Model"}."""
    places: dict[str, str] = {}
    for module in reversed(MODULES):
        for name in public_names(module):
            value = getattr(import_module(module), name)
            if isinstance(value, type) or inspect.isroutine(value):
                places[f"{value.__module__}.{value.__qualname__}"] = f"{module}.{name}"
    return places


class ApiModule(SphinxDirective):
    """Documents a module: its docstring, a table of its names, then each name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes of all names."""
        module = self.arguments[0]
        source = StringList(list(_page(module)), source=f"<public names of {module}>")
        parent = nodes.section()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, source, parent, self.content_offset)
        self.env.note_dependency(inspect.getfile(import_module(module)))
        return parent.children


def _page(module: str) -> Iterator[str]:
    home = import_module(module)
    groups: dict[str, list[str]] = {"Classes": [], "Functions": [], "Errors": [], "Data": [], "Modules": []}
    for name in public_names(module):
        groups[_kind(getattr(home, name))].append(name)
    yield from (f".. automodule:: {module}", "   :no-members:", "")
    for title, names in groups.items():
        if not names:
            continue
        yield from (title, "-" * len(title), "")
        if title == "Modules":
            yield from _modules(module, names)
            continue
        yield from (f".. currentmodule:: {module}", "")
        yield from (".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names), "")
        for name in names:
            yield from _entry(module, title, name)


def _modules(module: str, names: list[str]) -> Iterator[str]:
    """Links to the modules that have a page of their own; the others are documented in place."""
    for name in names:
        full = f"{module}.{name}"
        if full in MODULES:
            yield from (f"- :doc:`{full} <{full}>`", "")
        else:
            yield from (f".. automodule:: {full}", "   :members:", "")


def _entry(module: str, title: str, name: str) -> Iterator[str]:
    kind = {"Classes": "class", "Functions": "function", "Errors": "exception", "Data": "data"}[title]
    value = getattr(import_module(module), name)
    place = public_places().get(f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}")
    if place not in (None, f"{module}.{name}"):
        yield from (f".. py:{kind}:: {name}{'()' if kind == 'function' else ''}", "")
        yield from (f"   The same as :py:obj:`{place}`.", "")
        return
    yield f".. auto{kind}:: {name}"
    if title == "Functions" and not inspect.isroutine(value):  # an object that can be called, with methods beside that
        yield ""
        for member in vars(type(value)):
            if not member.startswith("_"):
                yield from (f".. automethod:: {module}::{name}.{member}", "")
    if title in ("Classes", "Errors"):
        yield "   :members:"
    if title == "Classes":
        yield "   :show-inheritance:"
    yield ""


def _kind(value: Any) -> str:
    if isinstance(value, ModuleType):
        return "Modules"
    if isinstance(value, type):
        return "Errors" if issubclass(value, BaseException) else "Classes"
    return "Functions" if inspect.isroutine(value) or _is_callable_object(value) else "Data"


def _is_callable_object(value: Any) -> bool:
    """Whether a value is an object of ours that can be called, such as `attnscope.prompts`."""
    return callable(value) and type(value).__module__.startswith("attnscope.")


def _resolved(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> nodes.Node | None:
    """A reference to where something is defined leads to where it is documented, or is plain text where nothing is."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("attnscope."):
        return None
    place = public_places().get(target)
    if place is not None:
        domain = env.domains.python_domain
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", place, node, content)
    module, _, name = target.rpartition(".")
    return content if _exists(module, name) else None


@cache
def _exists(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ImportError:
        return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Adds the directive, and the way from a definition to its documentation."""
    app.add_directive("api-module", ApiModule)
    app.connect("missing-reference", _resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
