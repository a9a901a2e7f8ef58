"""The requests that a session is working on. Each of them can be canceled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from attnscope.errors import CancelledError
from attnscope.types import Observer

_POLL_S = 0.05

Report = Callable[[str, int, int, str], None]
SendPartial = Callable[[str, dict[str, Any]], None]

CANCELED = "The request was canceled."

PASSES = frozenset({"run", "check", "generate", "patch", "states", "effect", "control"})
"""The types of request that run a model."""

REPLACED: Mapping[str, frozenset[str]] = {
    "run": frozenset({"run", "generate", "patch", "states", "effect", "control"}),
    **{kind: frozenset({kind}) for kind in ("generate", "patch", "states", "effect", "control")},
}
"""For each type of request, the older requests of the same page that it replaces.

A request replaces those of its own type. A `run` also replaces all others that are about an earlier input.
"""

_NAMES = {
    "run": "run",
    "generate": "generation",
    "patch": "patching sweep",
    "states": "residual stream request",
    "effect": "effect",
    "control": "control",
}


def _send_nothing(_kind: str, _fields: dict[str, Any]) -> None:
    pass


def busy_message(running: int) -> str:
    """The error message if too many requests are running."""
    return f"{running} requests are already running. Wait a moment and try again."


class BusyError(Exception):
    """The session has too much to do already. The message is written for the user."""


class Job:
    """One running request. It is the `Observer` of the request's forward passes.

    `report` is called with (stage, done, total, text) as the work progresses; the code that does the work sets `stage`.
    `send_partial` sends a response other than the last one, with a type and fields. `disconnected` tells whether the client
    has gone away.
    """

    def __init__(
        self,
        ident: str,
        kind: str,
        page: str | None,
        report: Report,
        disconnected: Callable[[], bool],
        send_partial: SendPartial = _send_nothing,
    ) -> None:
        self.id = ident
        self.kind = kind
        self.page = page
        self.stage = "run"
        self._report = report
        self.send_partial = send_partial
        self._disconnected = disconnected
        self._reason: str | None = None

    def stop(self, reason: str) -> None:
        """Ask this job to stop. `reason` becomes the error message of the request."""
        self._reason = self._reason or reason

    def cancelled(self) -> bool:
        """Whether this job should stop: `stop` was called, or the client has disconnected."""
        return self._reason is not None or self._disconnected()

    def check(self) -> None:
        """Raise `CancelledError` if this job should stop."""
        if self.cancelled():
            raise CancelledError(self.reason)

    @property
    def reason(self) -> str:
        """Why this job stops, as a sentence."""
        return self._reason or CANCELED

    def layer(self, done: int, total: int) -> None:
        """Report that `done` of `total` layers have been computed."""
        text = f"layer {done} of {total}" if total else f"layer {done}"
        self._report(self.stage, done, total, text)

    def count(self, done: int, total: int, what: str) -> None:
        """Report that `done` of `total` things have been computed; `what` names them ("controls")."""
        self._report(self.stage, done, total, f"{done} of {total} {what}")

    def silent(self) -> Observer:
        """An observer of passes whose layers are not reported, but which stops when this job should."""
        return _Silent(self)

    def report_step(self, text: str) -> None:
        """Report a step that is not divided into layers."""
        self._report(self.stage, 0, 1, text)

    @contextmanager
    def holding(self, lock: threading.Lock, waiting_text: str) -> Generator[None]:
        """Hold the lock. If it is not free, report `waiting_text` and wait, unless this job should stop."""
        self.check()
        if not lock.acquire(blocking=False):
            self.report_step(waiting_text)
            while not lock.acquire(timeout=_POLL_S):
                self.check()
        try:
            self.check()
            yield
        finally:
            lock.release()

    def wait(self, event: threading.Event) -> None:
        """Wait for `event`. Raises `CancelledError` if this job should stop."""
        while not event.wait(_POLL_S):
            self.check()


class _Silent:
    def __init__(self, job: Job) -> None:
        self._job = job

    def layer(self, done: int, total: int) -> None:
        pass

    def cancelled(self) -> bool:
        return self._job.cancelled()


class Jobs:
    """All running requests. Thread-safe."""

    def __init__(self, *, max_jobs: int, max_passes: int) -> None:
        self._max_jobs = max_jobs
        self._max_passes = max_passes
        self._jobs: set[Job] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def running(self, job: Job, *, is_pass: bool) -> Generator[None]:
        """Register the job while it runs. Raises `BusyError` if too many are running.

        A newer request stops the older requests of its page that it replaces, since the page no longer needs their results.
        """
        with self._lock:
            if self._closed:
                raise BusyError("This session is shutting down.")
            if is_pass and job.page is not None:
                for other in self._jobs:
                    if other.page == job.page and other.kind in REPLACED.get(job.kind, ()):
                        other.stop(f"A newer {_NAMES[job.kind]} of this page took its place.")
            waiting = sum(1 for other in self._jobs if other.kind in PASSES and not other.cancelled())
            if len(self._jobs) >= self._max_jobs or (is_pass and waiting >= self._max_passes):
                raise BusyError(busy_message(len(self._jobs)))
            self._jobs.add(job)
        try:
            yield
        finally:
            with self._lock:
                self._jobs.discard(job)

    def stop(self, ident: str, page: str | None) -> bool:
        """Cancel the requests with this id (and of this page, unless it is None). Returns whether there were any."""
        with self._lock:
            found = [job for job in self._jobs if job.id == ident and page in (None, job.page)]
            for job in found:
                job.stop(CANCELED)
            return bool(found)

    def close(self) -> None:
        """Stop all jobs and accept no new ones."""
        with self._lock:
            self._closed = True
            for job in self._jobs:
                job.stop("The session is shutting down.")

    def idle(self, within_s: float) -> bool:
        """Wait up to `within_s` seconds for all jobs to end. Returns whether they have."""
        until = time.monotonic() + within_s
        while self._jobs:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True
