"""Numbers on the command line: lists with ranges, and options that must be finite and in a range."""

from __future__ import annotations

import math
import re

from attnscope.errors import InputError

_PART = re.compile(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", re.ASCII)
_MOST = 100_000


def numbers(option: str, given: str | None) -> list[int] | None:
    """Parse numbers and ranges such as `0,3,5-7`; None stays None."""
    if given is None:
        return None
    ranges: list[range] = []
    for part in given.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise InputError(f"{option} expects numbers and ranges such as 0,3,5-7; got {_short(given)}.")
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
        if not ranges[-1] or sum(map(len, ranges)) > _MOST:
            problem = f"more than {_MOST:,} numbers" if ranges[-1] else f"the range {part.strip()}, which is empty"
            raise InputError(f"{option} expects numbers and ranges such as 0,3,5-7; got {problem}.")
    return [number for part in ranges for number in part]


def at_least(option: str, value: float, smallest: float, most: float = 1e12) -> float:
    """`value`, if it is a finite number from `smallest` to `most`."""
    if not math.isfinite(value) or not smallest <= value <= most:
        raise InputError(f"{option} must be a number from {smallest:g} to {most:g}; got {value:g}.")
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
