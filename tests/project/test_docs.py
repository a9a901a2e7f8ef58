"""The documentation matches the repository: files and packages that it names exist, diagrams are right, decisions sorted."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
ROOTS = ("", "src/attnscope/", "frontend/src/", "src/")
ARCHITECTURE = (ROOT / "docs" / "internals" / "architecture.md").read_text(encoding="utf-8")
DECISIONS = (ROOT / "docs" / "internals" / "decisions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]*\w\.(?:py|ts|tsx|json|toml))`", page.read_text(encoding="utf-8"))
    missing = [path for path in named if not any((ROOT / root / path).is_file() for root in ROOTS)]
    assert not missing, f"{page.name} names {', '.join(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_architecture_tables_name_every_package() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "src" / "attnscope").glob("*/__init__.py")}
    subpackages = {path.parent.name for path in (ROOT / "src" / "attnscope" / "model").glob("*/__init__.py")}
    folders = {path.name for path in (ROOT / "frontend" / "src").iterdir() if path.is_dir()} - {"entry"}
    assert packages | subpackages | folders <= named


@pytest.mark.parametrize(
    ("package", "first"), [("attnscope", "deprecation"), ("attnscope.model", "hf"), ("attnscope.session", "{ jobs")]
)
def test_the_layers_drawn_are_those_that_import_linter_enforces(package: str, first: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in project["tool"]["importlinter"]["contracts"] if one["containers"] == [package])
    folder = ROOT / "src" / package.replace(".", "/")
    here = {path.stem for path in folder.iterdir()}
    enforced = [set(re.findall(r"\w+", layer)) & here for layer in reversed(contract["layers"])]
    drawn = re.search(rf"```\n({first}.*? ←.*?)```", ARCHITECTURE, re.DOTALL)
    assert drawn is not None
    assert [set(re.findall(r"\w+", group)) for group in drawn.group(1).split("←")] == enforced


def test_the_page_on_dependencies_names_all_of_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    front_end = json.loads((ROOT / "frontend" / "package.json").read_text(encoding="utf-8"))
    required = [project["build-system"]["requires"], project["project"]["dependencies"]]
    groups = [*required, *project["project"]["optional-dependencies"].values()]
    names = {re.split(r"[<>=]", one)[0] for group in groups for one in group}
    page = (ROOT / "docs" / "internals" / "dependencies.md").read_text(encoding="utf-8")
    named = {name for line in page.splitlines() if line.startswith("- ") for name in re.findall(r"\*\*(.+?)\*\*", line)}
    assert named == names | front_end["dependencies"].keys() | front_end["devDependencies"].keys()


def test_decisions_are_sorted_by_subject_and_title() -> None:
    subjects = re.findall(r"^## (.*)$", DECISIONS, re.MULTILINE)
    assert subjects == sorted(subjects)
    for section in DECISIONS.split("\n## ")[1:]:
        entries = [one.strip("`").lower() for one in re.findall(r"^- \*\*(.*?)\*\*", section, re.MULTILINE)]
        titles = [re.sub(r"^(a|an|the) ", "", entry) for entry in entries]
        assert titles == sorted(titles), section.partition("\n")[0]
