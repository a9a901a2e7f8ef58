"""Builds the documentation site into docs/_build/html: `make docs`, and the test of the site. A warning is an error."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BUILD = DOCS / "_build"


def build(folder: Path = BUILD, *, fresh: bool = False, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Builds `folder`/html; the result has Sphinx' exit status and, where it was captured, what it printed."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "--fail-on-warning", "--jobs", "2", "--quiet"]
    command += ["--fresh-env"] if fresh else []
    command += ["--doctree-dir", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        "IPYTHONDIR": str(_kernel_settings(folder / "ipython")),  # not the user's own
        "HF_HUB_OFFLINE": "1",  # a model that is not in the cache fails its page
        "OMP_NUM_THREADS": "1",  # two pages are executed at a time
    }
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kernel_settings(folder: Path) -> Path:
    """A folder for IPython that keeps its kernels from warning that they listen on loopback unencrypted."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "ERROR"\n')
    return folder


def main() -> int:
    """Builds the site and says where it is. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="read and execute every page again, not only changed ones")
    status = build(fresh=parser.parse_args().fresh).returncode
    if not status:
        print(f"The site is built: {(BUILD / 'html' / 'index.html').as_uri()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
