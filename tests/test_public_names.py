"""The public names of `attnscope`."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

import attnscope
from attnscope import errors

PUBLIC = (
    "attnscope",
    "attnscope.edits",
    "attnscope.analysis",
    "attnscope.analysis.patterns",
    "attnscope.bertviz",
    "attnscope.testing",
)
SOURCES = {
    "attnscope.analysis.rollout": "2020",
    "attnscope.analysis.value_weighted": "2020",
    "attnscope.analysis.similarity": "2019",
    "attnscope.analysis.match": "2019",
    "attnscope.analysis.variability": "2019",
    "attnscope.analysis.patterns.induction": "2022",
    "attnscope.analysis.patterns.relation": "2019",
    "attnscope.edits.ScaleHead": "2019",
    "attnscope.Mediation": "2020",
    "attnscope.Contributions": "2021",
    "attnscope.Model.mediate": "2020",
    "attnscope.Trace.head_output": "2020",
}
"""Names that implement a published method, with the year of the paper to be cited."""
UNITS = {
    "attnscope.Trace.nbytes": "bytes",
    "attnscope.States.nbytes": "bytes",
    "attnscope.Rotary": "tokens",
    "attnscope.InputImage": "pixels",
    "attnscope.Model.max_tokens": "tokens",
}
ERRORS = {name: getattr(errors, name) for name in errors.__all__}
ARRAY = re.compile(r"Float|Int\[|Bool\[|Tensor|NDArray|ndarray")

pytestmark = pytest.mark.core


def exported(module: str) -> dict[str, Any]:
    found = importlib.import_module(module)
    return {name: getattr(found, name) for name in found.__all__}


def documented() -> Iterator[tuple[str, Any]]:
    """Every public name, and every public method and property of a public class that this class itself defines."""
    for module in PUBLIC:
        for name, value in exported(module).items():
            if inspect.ismodule(value):
                continue
            yield f"{module}.{name}", value
            if not inspect.isclass(value):
                continue
            for member, own in vars(value).items():
                if member in inspect.get_annotations(value):  # a field
                    continue
                held = own.fget if isinstance(own, property) else getattr(own, "func", getattr(own, "__func__", own))
                if member.startswith("_") or not inspect.isfunction(held):
                    continue
                if ":meta private:" not in (inspect.getdoc(own) or ""):
                    yield f"{module}.{name}.{member}", own


NAMES = dict(documented())


def alias_docs() -> dict[int, str]:
    """The strings below exported aliases and constants, which have no docstring of their own."""
    found: dict[int, str] = {}
    for name, home in {"Position": "attnscope.trace.positions", "MEASURES": "attnscope.analysis.measure"}.items():
        module = importlib.import_module(home)
        body = ast.parse(inspect.getsource(module)).body
        for target, text in itertools.pairwise(body):
            targets = target.targets if isinstance(target, ast.Assign) else [getattr(target, "target", None)]
            if isinstance(text, ast.Expr) and isinstance(targets[0], ast.Name) and targets[0].id == name:
                found[id(getattr(module, name))] = ast.literal_eval(text.value)
    return found


ALIASES = alias_docs()


def doc_of(value: Any) -> str:
    if id(value) in ALIASES:
        return ALIASES[id(value)]
    own = value if inspect.isclass(value) or not hasattr(value, "func") else value.func
    return inspect.getdoc(own) or ""


def function_of(value: Any) -> Any:
    if isinstance(value, property):
        return value.fget
    return getattr(value, "func", getattr(value, "__func__", value))


@pytest.mark.parametrize("module", PUBLIC)
def test_exports_are_sorted_and_exist(module: str) -> None:
    names = importlib.import_module(module).__all__
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name))  # as ruff sorts them
    assert all(value is not None for value in exported(module).values())


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        attnscope.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="nothing"):
        errors.nothing  # noqa: B018


def test_every_error_is_exported_and_derives_from_the_root() -> None:
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert defined == set(errors.__all__) <= set(attnscope.__all__)
    assert all(issubclass(error, attnscope.AttnscopeError) for error in ERRORS.values())
    with pytest.warns(FutureWarning, match="UnsupportedError"):
        assert errors.RefusedError is attnscope.UnsupportedError


def test_the_types_that_public_functions_return_are_exported() -> None:
    """Of every class of ours that an annotation of the public API returns."""
    public = {value for module in PUBLIC for value in exported(module).values() if inspect.isclass(value)}
    missing: set[str] = set()
    for name, value in NAMES.items():
        function = function_of(value)
        annotation = str(getattr(function, "__annotations__", {}).get("return", ""))
        for word in re.findall(r"\b[A-Z]\w+", annotation):
            found = getattr(inspect.getmodule(function), word, None)
            if inspect.isclass(found) and found.__module__.startswith("attnscope.") and found not in public:
                missing.add(f"{name} returns {word}")
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    doc = doc_of(NAMES[name])
    assert len(doc) > 15 and doc.splitlines()[0].rstrip().endswith((".", ":"))


def test_arrays_are_documented_with_their_shapes() -> None:
    without = []
    for name, value in NAMES.items():
        function = function_of(value)
        returned = str(getattr(function, "__annotations__", {}).get("return", ""))
        if ARRAY.search(returned) and "Callable" not in returned:
            shaped = re.search(r"\w+\[.*[\"'].+[\"']\]", returned) or re.search(r"\[[a-z_ ,*0-9]+\]", doc_of(value))
            without += [] if shaped else [name]
    assert not without


def test_errors_that_a_function_raises_are_documented() -> None:
    without = []
    for name, value in NAMES.items():
        function = function_of(value)
        if not inspect.isfunction(function):
            continue
        source = inspect.getsource(inspect.unwrap(function))
        for error in re.findall(r"raise (\w+Error)\(", source):
            if error in ERRORS and error not in doc_of(value):
                without.append(f"{name}: {error}")
    assert not without


@pytest.mark.parametrize("name", SOURCES)
def test_published_methods_are_cited(name: str) -> None:
    assert SOURCES[name] in doc_of(NAMES[name])


@pytest.mark.parametrize("name", UNITS)
def test_quantities_are_documented_with_their_units(name: str) -> None:
    assert UNITS[name] in doc_of(NAMES[name]).lower()
