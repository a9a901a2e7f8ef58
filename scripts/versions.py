"""Runs the tests marked `core` with the oldest or the newest releases of what attnscope depends on.

`versions.py lowest` installs, in `.venv-lowest`, exactly the lower bound of every runtime dependency in pyproject.toml.
`versions.py newest` installs the newest release of each in `.venv-newest`, and looks for newer ones once a day. Other
arguments go to pytest. constraints.txt plays no part in either; pip's own `PIP_CONSTRAINT` does.

Packages that attnscope does not depend on directly are whatever pip picks, usually the newest that fit.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from steps import StepError, Steps

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
TOOLS = ("pytest", "beartype", "httpx")
"""What the core tests need besides attnscope's own dependencies: httpx is the client of the tests' servers."""

_CORE = re.compile(r"^pytestmark = .*\bpytest\.mark\.core\b", re.MULTILINE)
_LOWER_BOUND = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)>=(?P<version>\d+(?:\.\d+)*)")


def lower_bounds() -> dict[str, str]:
    """The oldest version of each runtime dependency that pyproject.toml allows, by name.

    Raises:
        StepError: a dependency is not written as `name>=version`, so its oldest version is unknown.
    """
    bounds: dict[str, str] = {}
    for requirement in _project()["project"]["dependencies"]:
        found = _LOWER_BOUND.fullmatch(requirement)
        if not found:
            raise StepError(f"The dependency '{requirement}' in pyproject.toml must have the form 'name>=version'.")
        bounds[found["name"]] = found["version"]
    return bounds


def requirements(which: str) -> list[str]:
    """What pip installs for `lowest` or `newest`: the dependencies, the tools of the tests, and the build backend."""
    bounds = lower_bounds()
    packages = [f"{name}=={version}" for name, version in bounds.items()] if which == "lowest" else list(bounds)
    return [*packages, *TOOLS, *_project()["build-system"]["requires"]]


def prepare(steps: Steps, venv: Path, which: str) -> None:
    """Make the virtual environment in `venv` and install the dependencies and attnscope (editable) in it."""
    python = venv / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    wanted = requirements(which)
    key = "\n".join([sys.version, str(venv), *wanted, *([str(datetime.date.today())] if which == "newest" else [])])

    def install() -> None:
        if which == "lowest" or not python.exists():  # an older version replaces a newer one only in a new environment
            shutil.rmtree(venv, ignore_errors=True)
            steps.run([sys.executable, "-m", "venv", str(venv)], log="environment", cwd=ROOT)
        steps.run([*pip, "--upgrade", *wanted], log="packages", cwd=ROOT)

    def editable() -> None:
        steps.run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], log="attnscope", cwd=ROOT)

    title = "The oldest promised dependencies" if which == "lowest" else "The newest dependencies"
    steps.do_once("packages", key, f"{title} in {venv.name}", install)
    steps.do_once("attnscope", key + PROJECT.read_text(encoding="utf-8"), "attnscope itself", editable)


def core_files() -> list[str]:
    """The test files marked `core`. Only these are imported: others need packages that the environments lack."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if _CORE.search(path.read_text(encoding="utf-8"))]


def run_tests(venv: Path, which: str, arguments: list[str]) -> int:
    """Run the core tests in `venv`. Returns pytest's exit status.

    With the oldest versions, warnings are no errors: old releases warn about the newer packages below them.
    """
    warnings = ["-W", "default"] if which == "lowest" else []
    pytest = [str(venv / "bin" / "python"), "-m", "pytest", "-m", "core", "-p", "no:cacheprovider"]
    command = [*pytest, *warnings, *arguments, *core_files()]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


def installed(venv: Path) -> str:
    """The version of Python and of every runtime dependency in `venv`, on one line."""
    ask = (
        "import sys, importlib.metadata as m; print(*(f'{name} {m.version(name)}' for name in sys.argv[1:]), sep=', ')"
    )
    command = [str(venv / "bin" / "python"), "-c", ask, *lower_bounds()]
    versions = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return f"Python {sys.version.split()[0]}, {versions}"


def _project() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def main() -> int:
    """Prepares one environment and runs the core tests in it. Returns the exit status."""
    which, *arguments = sys.argv[1:] or [""]
    if which not in ("lowest", "newest"):
        print("usage: versions.py {lowest,newest} [PYTEST ARGUMENTS]", file=sys.stderr)
        return 2
    venv = ROOT / f".venv-{which}"
    try:
        prepare(Steps(venv / ".setup", count=2), venv, which)
    except StepError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same make command again to continue.", file=sys.stderr)
        return 130
    print(installed(venv), flush=True)
    return run_tests(venv, which, arguments)


if __name__ == "__main__":
    sys.exit(main())
