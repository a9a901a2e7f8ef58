"""The wheel, the sdist and an editable install each work in an environment without Node, npm and make.

What attnscope depends on is linked from this environment, so nothing is downloaded. That the wheel asks for all it needs
is tested in tests/browser/test_wheel.py, with a real installation from the package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.environments import linked_environment, pip_install, without_node

import attnscope

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
EXPORT = """
import sys, torch, attnscope
weights = [torch.eye(3).expand(1, 2, 3, 3), torch.full((1, 2, 3, 3), 1 / 3)]
attnscope.export(attnscope.Trace.from_attention(weights, ["the", "cat", "sat"]), sys.argv[1])
"""


@dataclass(frozen=True)
class Installed:
    """An environment with attnscope in it, and the folder that must hold its modules."""

    environment: Path
    home: Path

    def run(self, program: str, *arguments: str, cwd: Path) -> str:
        """The standard output of one of the environment's programs, run in `cwd`."""
        command = [str(self.environment / "bin" / program), *arguments]
        done = subprocess.run(command, cwd=cwd, env=without_node(self.environment), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(
    request: pytest.FixtureRequest, distributions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """attnscope installed in one of the three ways; the editable one from the unpacked sdist."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = linked_environment(folder / "environment")
    wheel, sdist = next(distributions.glob("*.whl")), next(distributions.glob("*.tar.gz"))
    if request.param == "editable":
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        sources = folder / f"attnscope-{VERSION}"
        pip_install(environment, "--editable", str(sources))
        return Installed(environment, sources / "src")
    pip_install(environment, str(wheel if request.param == "wheel" else sdist))
    return Installed(environment, environment)


def test_the_package_and_its_metadata_are_the_installed_ones(installed: Installed, tmp_path: Path):
    ask = (
        "import json, attnscope; from importlib.metadata import distribution as d; "
        "print(json.dumps([attnscope.__file__, attnscope.__version__, str(d('attnscope').locate_file(''))]))"
    )
    module, version, metadata = json.loads(installed.run("python", "-c", ask, cwd=tmp_path))
    assert Path(module).is_relative_to(installed.home)
    assert Path(metadata).is_relative_to(installed.environment)
    assert version == VERSION


def test_the_command_has_a_version_and_a_help(installed: Installed, tmp_path: Path):
    assert installed.run("attnscope", "--version", cwd=tmp_path) == f"attnscope {VERSION}\n"
    assert "serve" in installed.run("attnscope", "--help", cwd=tmp_path)


def test_the_exported_page_is_the_one_that_is_written_here(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    installed.run("python", "-c", EXPORT, str(tmp_path / "installed.html"), cwd=tmp_path)
    monkeypatch.setattr("sys.argv", ["", os.fspath(tmp_path / "here.html")])
    exec(EXPORT, {})
    bundle = (Path(attnscope.__file__).parent / "static" / "export.js").stat().st_size
    page = (tmp_path / "installed.html").read_bytes()
    assert page == (tmp_path / "here.html").read_bytes()
    assert len(page) > bundle / 10  # the bundle is inside, compressed
