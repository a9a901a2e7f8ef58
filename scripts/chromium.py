"""Find the Chromium for the browser tests, or install it on Debian."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
ADVICE = (
    "The browser tests need Chromium or Chrome, but neither was found. Install one (on Debian: "
    "`apt-get install chromium`), or set the environment variable CHROMIUM to the path of the program."
)


def find() -> str | None:
    """The program to start: the one named by CHROMIUM, else the first known name on PATH, else None."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    for program in PROGRAMS:
        if path := shutil.which(program):
            return path
    return str(MAC) if MAC.is_file() else None


def commands_to_install() -> list[list[str]]:
    """The commands that install Chromium; empty if we lack the permission or this is not Debian."""
    if not shutil.which("apt-get") or "ID=debian" not in _release():
        return []
    if os.geteuid() == 0:
        prefix: list[str] = ["env", "DEBIAN_FRONTEND=noninteractive"]
    elif shutil.which("sudo"):
        no_prompt = [] if sys.stdin.isatty() else ["-n"]
        prefix = ["sudo", *no_prompt, "env", "DEBIAN_FRONTEND=noninteractive"]
    else:
        return []
    return [
        [*prefix, "apt-get", "update"],
        [*prefix, "apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES],
    ]


def _release() -> list[str]:
    path = Path("/etc/os-release")
    return path.read_text().splitlines() if path.is_file() else []
