"""The requests that a session is working on, each of which may be told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from attnscope.errors import CancelledError

_LOOK_AGAIN_S = 0.05

Report = Callable[[str, int, int, str], None]
Tell = Callable[[str, dict[str, Any]], None]

PASSES = frozenset({"run", "check", "generate", "patch", "states"})
"""The requests that run a model."""

REPLACED: Mapping[str, frozenset[str]] = {
    "run": frozenset({"run", "generate", "patch", "states"}),
    **{kind: frozenset({kind}) for kind in ("generate", "patch", "states")},
}
"""The older requests of the same page whose place a newer one takes: those of its kind, and all that are about another pass."""


def _nothing(_kind: str, _fields: dict[str, Any]) -> None:
    pass


class BusyError(Exception):
    """More work than this session takes on at a time. Its text speaks to a person."""


class Job:
    """One request being worked on. It is the `Observer` of the model passes that the request makes.

    `report` is called with (stage, done, total, text) as the work goes on; `stage` is set by whoever does the work. `tell` sends
    a response that is not the last one, of a type and with fields.
    """

    def __init__(
        self,
        ident: str,
        kind: str,
        page: str | None,
        report: Report,
        gone: Callable[[], bool],
        tell: Tell = _nothing,
    ) -> None:
        self.id = ident
        self.kind = kind
        self.page = page
        self.stage = "run"
        self._report = report
        self.tell = tell
        self._gone = gone
        self._why: str | None = None

    def stop(self, why: str) -> None:
        """Ask for this work to stop; `why` is the sentence that answers the request."""
        self._why = self._why or why

    def cancelled(self) -> bool:
        """Whether somebody asked for this work to stop, or whoever asked for it has gone."""
        return self._why is not None or self._gone()

    def check(self) -> None:
        """Raise `CancelledError` if this work should stop."""
        if self.cancelled():
            raise CancelledError(self.reason)

    @property
    def reason(self) -> str:
        """Why this work stops, as a sentence."""
        return self._why or "The request was cancelled."

    def layer(self, done: int, total: int) -> None:
        """Report that `done` of `total` layers are computed."""
        text = f"layer {done} of {total}" if total else f"layer {done}"
        self._report(self.stage, done, total, text)

    def say(self, text: str) -> None:
        """Report a step that has no layers."""
        self._report(self.stage, 0, 1, text)

    @contextmanager
    def holding(self, lock: threading.Lock, meanwhile: str) -> Generator[None]:
        """The lock, waited for as long as nobody asks this work to stop; `meanwhile` is reported if it has to wait."""
        self.check()
        if not lock.acquire(blocking=False):
            self.say(meanwhile)
            while not lock.acquire(timeout=_LOOK_AGAIN_S):
                self.check()
        try:
            self.check()
            yield
        finally:
            lock.release()

    def wait(self, event: threading.Event) -> None:
        """Wait for `event`, as long as nobody asks this work to stop."""
        while not event.wait(_LOOK_AGAIN_S):
            self.check()


class Jobs:
    """All requests in work. Safe between threads."""

    def __init__(self, *, most: int, most_passes: int) -> None:
        self._most = most
        self._most_passes = most_passes
        self._jobs: set[Job] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def running(self, job: Job, *, is_pass: bool) -> Generator[None]:
        """Count the job as one in work. Raises `BusyError` where there are too many.

        A newer request stops the older ones of its page that it takes the place of: nobody looks at their result any more.
        """
        with self._lock:
            if self._closed:
                raise BusyError("This session is shutting down.")
            if is_pass and job.page is not None:
                for other in self._jobs:
                    if other.page == job.page and other.kind in REPLACED.get(job.kind, ()):
                        other.stop(f"A newer {job.kind} of this page took its place.")
            waiting = sum(1 for other in self._jobs if other.kind in PASSES and not other.cancelled())
            if len(self._jobs) >= self._most or (is_pass and waiting >= self._most_passes):
                raise BusyError(f"{len(self._jobs)} requests are in work already; wait a moment and try again.")
            self._jobs.add(job)
        try:
            yield
        finally:
            with self._lock:
                self._jobs.discard(job)

    def stop(self, ident: str, page: str | None) -> bool:
        """Stop the requests with this id (of this page, where one is named). Whether there was one."""
        with self._lock:
            found = [job for job in self._jobs if job.id == ident and page in (None, job.page)]
            for job in found:
                job.stop("The request was cancelled.")
            return bool(found)

    def close(self) -> None:
        """Stop everything and take nothing new."""
        with self._lock:
            self._closed = True
            for job in self._jobs:
                job.stop("The session is shutting down.")

    def idle(self, within_s: float) -> bool:
        """Whether nothing is in work any more, waiting for that up to `within_s` seconds."""
        until = time.monotonic() + within_s
        while self._jobs:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True
