"""Virtual environments for tests of what is installed in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def without_node(environment: Path) -> dict[str, str]:
    """This process's variables, with only the programs of `environment` on PATH and no path of this process's Python."""
    path = str(environment / "bin")
    assert not [name for name in ("node", "npm", "make") if shutil.which(name, path=path)]
    return {**{name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}, "PATH": path}


def linked_environment(folder: Path) -> Path:
    """A new virtual environment that also sees the packages of this one, but none of its editable installs.

    A `.pth` file appends this environment's site-packages to `sys.path`. Python does not read the `.pth` files there, and
    what is installed in the new environment comes first.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    link = folder / "lib" / version / "site-packages" / "packages_of_the_tests.pth"
    link.write_text("".join(f"{sysconfig.get_path(kind)}\n" for kind in ("purelib", "platlib")))
    return folder


def pip_install(environment: Path, *arguments: str) -> None:
    """Install with this environment's pip in another one: no dependencies, no index, no isolated build.

    `--ignore-installed` keeps pip from uninstalling the attnscope that it finds in the linked site-packages.
    """
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "--disable-pip-version-check"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    command = [*pip, "install", *options, *arguments]
    done = subprocess.run(
        command, env=without_node(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
