"""The structure of the code: no circular imports, and file names that say what a file contains."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("src/attnscope", "frontend/src")
NOT_OURS = {"node_modules", "__pycache__", "static", "dist"}
VAGUE_NAMES = {
    "asked", "choosing", "described", "given", "held", "loaded", "looking", "opened",
    "pictured", "quiet", "recorded", "seeing", "stating", "stretches", "taps",
}  # fmt: skip
"""Names that do not say what a file contains."""


def import_cycles(graph: grimp.ImportGraph) -> list[list[str]]:
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


def lines_of(graph: grimp.ImportGraph, cycle: list[str]) -> list[str]:
    """The lines with which the modules of a cycle import each other."""
    lines: list[str] = []
    for importer in cycle:
        for imported in sorted(graph.find_modules_directly_imported_by(importer) & set(cycle)):
            for detail in graph.get_import_details(importer=importer, imported=imported):
                lines.append(f"  {importer}, line {detail['line_number']}: {detail['line_contents']}")
    return lines


def files() -> list[PurePosixPath]:
    """The files of the repository; outside a checkout, those in its code and text folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [PurePosixPath(name) for name in listed.stdout.split("\0") if name]
    return [
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for folder in ("src", "frontend/src", "tests", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not NOT_OURS & set(path.parts)
    ]


def test_there_are_no_circular_imports() -> None:
    # imports inside functions and for type checking count too
    graph = grimp.build_graph("attnscope", cache_dir=None)
    found = import_cycles(graph)
    report = [f"{', '.join(cycle)}:\n" + "\n".join(lines_of(graph, cycle)) for cycle in found]
    assert not found, f"{len(found)} import cycles.\n" + "\n".join(report)


def test_a_cycle_is_reported_with_its_import_lines() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("e", "f")):
        graph.add_import(importer=importer, imported=imported, line_number=7, line_contents=f"import {imported}")
    assert import_cycles(graph) == [["a", "b", "c"], ["d", "e"]]
    assert lines_of(graph, ["d", "e"]) == ["  d, line 7: import e", "  e, line 7: import d"]


def test_no_two_paths_differ_only_in_case() -> None:
    # macOS and Windows would keep only one of them
    paths = {path for file in files() for path in (file, *file.parents)}
    folded = Counter(str(path).casefold() for path in paths)
    assert not sorted(str(path) for path in paths if folded[str(path).casefold()] > 1)


@pytest.mark.parametrize("folder", SOURCES)
def test_file_names_say_what_a_file_contains(folder: str) -> None:
    here = [path for path in files() if path.is_relative_to(folder)]
    assert here
    assert not sorted(str(path) for path in here if path.name.split(".")[0].lower().lstrip("_") in VAGUE_NAMES)
