"""The order of the house: no import goes round in a circle, and files have names that say what is in them."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("src/attnscope", "frontend/src")
NOT_OURS = {"node_modules", "__pycache__", "static", "dist"}
RIDDLES = {
    "asked", "choosing", "described", "given", "held", "loaded", "looking", "opened",
    "pictured", "quiet", "recorded", "seeing", "stating", "stretches", "taps",
}  # fmt: skip
"""Names that files had: each had to be opened to know what it was about."""


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """The strongly connected components of more than one module, sorted (Tarjan's algorithm)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            if imported not in number:
                visit(imported)
            if imported in stack:
                lowest[module] = min(lowest[module], lowest[imported])
        if lowest[module] == number[module]:
            at = stack.index(module)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(graph.modules):
        if module not in number:
            visit(module)
    return sorted(found)


def lines_of(graph: grimp.ImportGraph, circle: list[str]) -> list[str]:
    """The lines with which the modules of a circle import one another."""
    lines: list[str] = []
    for importer in circle:
        for imported in sorted(graph.find_modules_directly_imported_by(importer) & set(circle)):
            for detail in graph.get_import_details(importer=importer, imported=imported):
                lines.append(f"  {importer}, line {detail['line_number']}: {detail['line_contents']}")
    return lines


def files() -> list[PurePosixPath]:
    """The files of the repository; outside a checkout those of its folders of code and text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [PurePosixPath(name) for name in listed.stdout.split("\0") if name]
    return [
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for folder in ("src", "frontend/src", "tests", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not NOT_OURS & set(path.parts)
    ]


def test_no_module_imports_itself_by_way_of_others() -> None:
    # imports inside functions and those for type checkers count as well
    graph = grimp.build_graph("attnscope", cache_dir=None)
    found = circles(graph)
    said = [f"{', '.join(circle)}:\n" + "\n".join(lines_of(graph, circle)) for circle in found]
    assert not found, f"{len(found)} circles of imports.\n" + "\n".join(said)


def test_a_circle_is_found_with_its_lines() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("e", "f")):
        graph.add_import(importer=importer, imported=imported, line_number=7, line_contents=f"import {imported}")
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]
    assert lines_of(graph, ["d", "e"]) == ["  d, line 7: import e", "  e, line 7: import d"]


def test_no_two_names_in_a_folder_differ_in_case_only() -> None:
    # macOS and Windows would keep one of the two
    paths = {path for file in files() for path in (file, *file.parents)}
    folded = Counter(str(path).casefold() for path in paths)
    assert not sorted(str(path) for path in paths if folded[str(path).casefold()] > 1)


@pytest.mark.parametrize("folder", SOURCES)
def test_no_file_is_named_by_a_riddle(folder: str) -> None:
    here = [path for path in files() if path.is_relative_to(folder)]
    assert here
    assert not sorted(str(path) for path in here if path.name.split(".")[0].lower().lstrip("_") in RIDDLES)
