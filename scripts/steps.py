"""The steps of the setup. Each prints a line, writes its output to a log, and leaves a stamp so that it is not repeated."""

from __future__ import annotations

import hashlib
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

QUIET_SECONDS = 20.0
LINES_SHOWN = 25


class StepError(Exception):
    """A step failed. The message says why and what to do."""


class Steps:
    """Steps that share a folder for stamps and logs. The folder can be deleted at any time: all steps can be repeated."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.number = 0
        self.worked = False
        self._printed_at = 0.0

    def do(self, title: str, work: Callable[[], None], *, done: bool) -> None:
        """Run one step, unless it is already `done`."""
        self.number += 1
        if done:
            return
        self.worked = True
        begun = time.monotonic()
        self._print(f"{title} …")
        work()
        self._print(f"{title}: done in {_duration(time.monotonic() - begun)}")

    def do_once(self, name: str, key: str, title: str, work: Callable[[], None]) -> None:
        """Run a step unless it already finished with the same `key`, a string with everything that its result depends on."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        stamp = self.folder / name
        self.do(title, work, done=stamp.is_file() and stamp.read_text() == digest)
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)

    def run(self, command: Sequence[str], *, log: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Run a command, log its output and show the latest line. Raises StepError with the end of the output if it fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{log}.log"
        shown: deque[str] = deque(maxlen=LINES_SHOWN)
        begun = self._printed_at = time.monotonic()
        with (
            path.open("a", encoding="utf-8") as file,
            subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=None if command[0] == "sudo" else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            assert process.stdout
            lines: queue.Queue[str | None] = queue.Queue()
            threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
            newest: str | None = ""
            now = ""
            while newest is not None:
                try:
                    newest = lines.get(timeout=1.0)
                except queue.Empty:
                    newest = ""
                if newest:
                    file.write(newest)
                    shown.append(newest)
                    now = now if newest.startswith(" ") else newest  # an indented line is a detail
                self._show_progress(now, time.monotonic() - begun)
        if process.returncode:
            raise StepError(
                f"{''.join(shown).rstrip()}\n\n`{' '.join(command)[:100]}` failed with exit status "
                f"{process.returncode}. The complete output is in {path}. Fix the problem, then "
                "run the same make command again."
            )

    def _print(self, text: str) -> None:
        print(f"[{self.number}/{self.count}] {text}{_clear()}", flush=True)

    def _show_progress(self, line: str, seconds: float) -> None:
        text = f"      {line.strip()[:80]} ({_duration(seconds)})"
        if sys.stdout.isatty():
            print(f"{text}{_clear()}", end="\r", flush=True)
        elif time.monotonic() - self._printed_at >= QUIET_SECONDS:
            self._printed_at = time.monotonic()
            print(text, flush=True)


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _clear() -> str:
    return "\x1b[K" if sys.stdout.isatty() else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
