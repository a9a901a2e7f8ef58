"""A metered page in Chromium: bytes received over the network and CPU time of its main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser, Error, Page, Playwright

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
QUIET_SECONDS = 0.4
ACT_SECONDS = 0.1
SWEEP_SECONDS = 0.04
IDLE_WORK = 0.002  # seconds of main-thread work between two samples that count as idle; sampling itself costs some
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


class UnfinishedError(Exception):
    """The page did not become ready; the message says what happened instead."""


@dataclass(frozen=True)
class Work:
    """CPU seconds of the main thread (all its tasks, scripts, style and layout) and bytes received."""

    task: float
    script: float
    layout: float
    received: int

    def __sub__(self, before: Work) -> Work:
        return Work(
            self.task - before.task,
            self.script - before.script,
            self.layout - before.layout,
            self.received - before.received,
        )


class MeteredPage:
    """One page, 1400 × 900 pixels. All waits time out after `limit` seconds with an `UnfinishedError`."""

    def __init__(self, browser: Browser, limit: float) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1400, "height": 900})
        self._limit = limit
        self._faults: list[str] = []
        self._received: dict[str, int] = {}
        self.page.set_default_timeout(1000 * limit)
        self.page.on("pageerror", lambda error: self._faults.append(error.message))
        self.page.on("crash", lambda _: self._faults.append("the page crashed"))
        self._cdp = self.page.context.new_cdp_session(self.page)
        self._cdp.on("Network.requestWillBeSent", self._on_request)
        self._cdp.on("Network.dataReceived", self._on_data)
        self._cdp.on("Network.loadingFinished", self._on_finished)
        self._cdp.send("Network.enable")
        self._cdp.send(
            "Performance.enable", {"timeDomain": "threadTicks"}
        )  # CPU time, so that other programs do not count

    def open(self, url: str, ready: str) -> Work:
        """Load a page, wait until it contains `ready` (a selector), is painted and idle, and return the work it took."""
        try:
            self.page.goto(url, wait_until="commit")
            self.page.wait_for_selector(ready, state="attached")
        except Error as error:
            raise self._unfinished(error) from error
        return self.quiet()

    def quiet(self) -> Work:
        """Wait for two frames and then until the main thread is idle; return all work so far."""
        try:
            self.page.wait_for_function(TWO_FRAMES)
        except Error as error:
            raise self._unfinished(error) from error
        return self._settled(QUIET_SECONDS)

    def cost(self, act: Callable[[], None]) -> Work:
        """The work that `act` causes, including the frames that show it and work that the page defers briefly."""
        before = self._work()
        act()
        return self._settled(ACT_SECONDS) - before

    def sweep(self, places: Iterable[tuple[float, float]]) -> list[Work]:
        """The work of each move of a pointer that never rests, so that work the page defers until a rest is never done."""
        samples = [self._work()]
        for x, y in places:
            self.page.mouse.move(x, y)
            self.page.wait_for_timeout(1000 * SWEEP_SECONDS)
            samples.append(self._work())
        return [after - before for before, after in pairwise(samples)]

    def repeat(self, act: Callable[[], None], times: int, seconds: float) -> list[Work]:
        """The work between one call of `act` and the next, made without waiting for the page."""
        samples = [self._work()]
        for _ in range(times):
            act()
            self.page.wait_for_timeout(1000 * seconds)
            samples.append(self._work())
        return [after - before for before, after in pairwise(samples)]

    def _settled(self, seconds: float) -> Work:
        """Sample the page at intervals, which hardly disturbs it, until it did no work between two samples."""
        end = time.monotonic() + self._limit
        self.page.wait_for_timeout(1000 * seconds)
        before = self._work()
        while time.monotonic() < end:
            self.page.wait_for_timeout(1000 * seconds)
            now = self._work()
            if now.task - before.task < IDLE_WORK:
                return before
            before = now
        raise UnfinishedError(f"not idle within {self._limit:.0f} s")

    def _work(self) -> Work:
        metrics = {one["name"]: one["value"] for one in self._cdp.send("Performance.getMetrics")["metrics"]}
        layout = metrics["LayoutDuration"] + metrics["RecalcStyleDuration"]
        return Work(metrics["TaskDuration"], metrics["ScriptDuration"], layout, sum(self._received.values()))

    def _unfinished(self, error: Error) -> UnfinishedError:
        reason = self._faults[0] if self._faults else error.message.splitlines()[0]
        return UnfinishedError(reason if self._faults else f"not ready within {self._limit:.0f} s ({reason})")

    def _on_request(self, event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("http"):
            self._received.setdefault(event["requestId"], 0)

    def _on_data(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._received:
            self._received[event["requestId"]] += int(event["dataLength"])

    def _on_finished(self, event: dict[str, Any]) -> None:
        # Chromium sends no such event for a stream that the page closes after the last message; its data events count instead.
        if event["requestId"] in self._received:
            self._received[event["requestId"]] = int(event["encodedDataLength"])


@contextmanager
def fresh_page(playwright: Playwright, program: str, limit: float) -> Generator[MeteredPage]:
    """A page in a new Chromium process, which has not loaded or compiled anything before."""
    browser = playwright.chromium.launch(executable_path=program, args=SWITCHES)
    try:
        yield MeteredPage(browser, limit)
    finally:
        browser.close()
