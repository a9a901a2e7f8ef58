"""Where the Chromium for the browser tests is, and how it comes onto a Debian machine that has none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
ADVICE = (
    "The browser tests need Chromium or Chrome, and none was found. Install one (on Debian: "
    "`apt-get install chromium`), or set the environment variable CHROMIUM to the program."
)


def find() -> str | None:
    """The program to start: what CHROMIUM names, else the first known name on PATH; None where there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    for program in PROGRAMS:
        if path := shutil.which(program):
            return path
    return str(MAC) if MAC.is_file() else None


def commands_to_install() -> list[list[str]]:
    """The commands that bring Chromium onto this machine; empty where we may not, or do not know how."""
    if not shutil.which("apt-get") or "ID=debian" not in _release():
        return []
    if os.geteuid() == 0:
        before: list[str] = ["env", "DEBIAN_FRONTEND=noninteractive"]
    elif shutil.which("sudo"):
        asks = [] if sys.stdin.isatty() else ["-n"]
        before = ["sudo", *asks, "env", "DEBIAN_FRONTEND=noninteractive"]
    else:
        return []
    return [
        [*before, "apt-get", "update"],
        [*before, "apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES],
    ]


def _release() -> list[str]:
    path = Path("/etc/os-release")
    return path.read_text().splitlines() if path.is_file() else []
