"""The rows of the tables that painting.py prints."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from chromium_page import Work

QUANTITIES: dict[str, tuple[str, Callable[[Work], float]]] = {
    "bytes received": ("MB", lambda work: work.received / 1e6),
    "main thread": ("s", lambda work: work.task),
    "  scripts": ("s", lambda work: work.script),
    "  style and layout": ("s", lambda work: work.layout),
}


def paint_rows(ours: Sequence[Work], theirs: Sequence[Work]) -> Iterator[str]:
    """One row per quantity: attnscope, BertViz, and the ratio of paired runs."""
    beside = f"BertViz, {len(theirs)} pages" if theirs else "BertViz: none"
    yield f"  {'':24}{f'attnscope, {len(ours)} pages':>26}{beside:>32}{'ratio':>24}"
    for name, (unit, of) in QUANTITIES.items():
        a, b = [of(work) for work in ours], [of(work) for work in theirs]
        yield f"  {name:24}{_spread(a, unit):>26}{_spread(b, unit):>32}{_ratio(a, b):>24}"


def hover_row(name: str, ours: Sequence[Work], theirs: Sequence[Work]) -> str:
    """Median and 95th percentile of main-thread milliseconds, and the ratio of paired runs."""
    a, b = [1000 * work.task for work in ours], [1000 * work.task for work in theirs]
    text = f"  {name} ({len(a)}): {_percentiles(a)}"
    return text + (f"; BertViz {_percentiles(b)}; ratio {_ratio(a, b)}" if b else "")


def _percentiles(values: Sequence[float]) -> str:
    p95 = statistics.quantiles(values, n=20, method="inclusive")[18]
    return f"p50 {statistics.median(values):.1f} ms, p95 {p95:.1f} ms"


def _spread(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.3g} {unit} ({min(values):.3g}–{max(values):.3g})"


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = [b / a for a, b in zip(ours, theirs, strict=False) if a > 0]
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.3g}× ({min(ratios):.3g}–{max(ratios):.3g})"
