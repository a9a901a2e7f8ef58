"""Compare two functions in one run: interleaved, one thread, median and spread.

The speed of a machine drifts by factors during a run, so an absolute time means little; the ratio of adjacent runs is stable.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAIRS = 7


@dataclass(frozen=True)
class Ratio:
    """Median seconds of both functions, and the ratios (first / second) of adjacent runs."""

    first: float
    second: float
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        return f"{self.median:.2f}× ({min(self.ratios):.2f}–{max(self.ratios):.2f}); {self.first:.3f} s and {self.second:.3f} s"


def interleaved(first: Callable[[], Any], second: Callable[[], Any], pairs: int = PAIRS) -> Ratio:
    """Run both functions in turn, after one warm-up round that is not counted."""
    first()
    second()
    a, b = [], []
    for _ in range(pairs):
        a.append(_seconds(first))
        b.append(_seconds(second))
    return Ratio(statistics.median(a), statistics.median(b), tuple(x / y for x, y in zip(a, b, strict=True)))


def peak_bytes(work: Callable[[], Any]) -> int:
    """How far resident memory (Linux) rises above its starting value while `work` runs and its result is alive."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    result = work()
    peak = _status("VmHWM")
    del result
    return peak - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def _seconds(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    result = work()
    elapsed = time.perf_counter() - start
    del result
    return elapsed
