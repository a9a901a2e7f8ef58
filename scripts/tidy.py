"""Check the committed files for things that don't belong there: machine-specific paths, large files, build output."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1_000_000
BUILT = re.compile(r"(^|/)(node_modules|dist|__pycache__|\.venv)/|^src/attnscope/static/|\.(whl|gguf|safetensors|pyc)$")
MACHINE = [
    ("a home directory", re.compile(rb"(?<![\w.])/(?:home|Users|root)/[\w.-]+/?")),
    ("a machine-specific path", re.compile(rb"(?<![\w./])/(?:work|tmp|opt|mnt|srv)/[\w.-]+/[\w./-]+")),
    ("a package host other than the public one", re.compile(rb'"resolved": "https?://(?!registry\.npmjs\.org/)[^"]*')),
]
ALLOWED_BUILT = re.compile(r"^tests/golden/")


def committed() -> list[str]:
    """The names of all files that git tracks or would add."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def faults(name: str) -> Iterator[str]:
    """The problems of one file, as sentences."""
    content = (ROOT / name).read_bytes()
    if len(content) > LARGEST:
        yield f"{name} has {len(content):,} bytes; committed files may have at most {LARGEST:,}."
    if BUILT.search(name) and not ALLOWED_BUILT.search(name):
        yield f"{name} looks like a built or downloaded file; add it to .gitignore instead."
    if b"\0" in content:
        return
    for number, line in enumerate(content.splitlines(), start=1):
        for what, pattern in MACHINE:
            if found := pattern.search(line):
                yield f"{name}:{number} contains {what}: {found.group().decode(errors='replace')}"


def main() -> int:
    """Print all problems. Returns 1 if there are any."""
    found = [fault for name in committed() for fault in faults(name)]
    print("\n".join(found) or "Tidy: no machine-specific paths, no large files, no build output.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
