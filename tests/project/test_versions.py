"""What is promised about versions: lower bounds, the core tests, docs/reference/support.md and CITATION.cff."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import versions
import yaml
from packaging.version import Version
from steps import StepError

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
SUPPORT = (ROOT / "docs" / "reference" / "support.md").read_text(encoding="utf-8")
FEWEST_CORE_TESTS = 200
PARTS = {"analysis", "attention", "capture", "cli", "edits", "figures", "model", "server", "session", "trace", "widget"}


def rows() -> dict[str, list[str]]:
    """The rows of the table of versions in docs/reference/support.md: promised, oldest tested, developed with, newest tested."""
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in SUPPORT.splitlines() if "|" in line]
    return {name: versions for name, *versions in cells if name in {"Python", "torch", "transformers"}}


def test_every_runtime_dependency_states_its_oldest_version() -> None:
    assert len(versions.lower_bounds()) == len(PROJECT["dependencies"])


@pytest.mark.parametrize("requirement", ["torch", "torch<3", "torch==2.6", "torch>=2.6,<3", "torch>=2.6; extra == 'x'"])
def test_a_dependency_without_a_plain_lower_bound_is_an_error(
    requirement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\ndependencies = ["{requirement}"]\n')
    monkeypatch.setattr(versions, "PROJECT", tmp_path / "pyproject.toml")
    with pytest.raises(StepError, match=re.escape(requirement)):
        versions.lower_bounds()


def test_the_oldest_are_pinned_to_the_bounds_and_the_newest_are_free() -> None:
    bounds = versions.lower_bounds()
    lowest, newest = versions.requirements("lowest"), versions.requirements("newest")
    assert [f"{name}=={version}" for name, version in bounds.items()] == lowest[: len(bounds)]
    assert list(bounds) == newest[: len(bounds)]
    assert lowest[len(bounds) :] == newest[len(bounds) :]


def test_the_bounds_allow_the_versions_of_development() -> None:
    pinned = {name.lower().replace("_", "-"): Version(version) for name, version in PINNED.items()}
    assert not [name for name, oldest in versions.lower_bounds().items() if pinned[name] < Version(oldest)]


def test_the_core_tests_are_many_and_of_every_part() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "core", "-p", "no:cacheprovider", "tests"]
    listed = subprocess.run(
        [*command, "--ignore", "tests/browser", "--ignore", "tests/notebook"], cwd=ROOT, capture_output=True, text=True
    )
    assert listed.returncode == 0, listed.stdout
    tests = [line for line in listed.stdout.splitlines() if line.startswith("tests/") and "::" in line]
    assert len(tests) >= FEWEST_CORE_TESTS
    assert {name.split("/")[1] for name in tests} >= PARTS


def test_no_core_test_needs_a_browser_or_a_notebook() -> None:
    folders = [ROOT / "tests" / "browser", ROOT / "tests" / "notebook"]
    assert not [path for folder in folders for path in folder.glob("*.py") if "mark.core" in path.read_text()]


def test_the_table_of_versions_says_what_the_project_promises() -> None:
    promised = {name: row[0] for name, row in rows().items()}
    bounds = versions.lower_bounds()
    assert promised == {
        "Python": PROJECT["requires-python"],
        "torch": f">={bounds['torch']}",
        "transformers": f">={bounds['transformers']}",
    }


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_the_table_of_versions_says_what_is_tested(name: str) -> None:
    _, oldest, developed, newest = rows()[name]
    assert Version(oldest) == Version(versions.lower_bounds()[name])
    assert developed == PINNED[name]
    assert Version(newest) >= Version(developed)


def test_the_classifiers_name_the_python_versions_that_are_tested() -> None:
    classified = [one.split(" :: ")[-1] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", one)]
    assert classified == [rows()["Python"][2]]


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    [paper] = citation["references"]
    assert (paper["year"], paper["authors"][0]["family-names"]) == (2019, "Vig")
    assert paper["identifiers"][0]["value"] == "arXiv:1906.05714"


def test_only_files_marked_core_are_passed_to_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(
        versions.subprocess, "run", lambda command, **_: commands.append(command) or subprocess.CompletedProcess([], 0)
    )
    versions.run_tests(ROOT / ".venv-newest", "newest", ["-q"])
    [command] = commands
    assert [one for one in command if one.startswith("tests/")] == versions.core_files()
    assert "tests/attention/test_mask.py" in command and "tests/browser/test_wheel.py" not in command
