"""Numbers as the page writes them, as patterns: two processes may round the last digit differently."""

from __future__ import annotations

import re
from collections.abc import Callable

SLACK = 2e-5
"""How far two processes may be apart, because they sum in another order."""


def _pattern(value: float, text: Callable[[float], str], slack: float) -> str:
    spelled = {text(number).replace("-", "−") for number in (value - slack, value, value + slack)}
    return "(?:" + "|".join(re.escape(one) for one in sorted(spelled)) + ")"


def _without_minus_zero(text: str) -> str:
    return text.lstrip("+-") if float(text) == 0 else text


def weight(value: float) -> str:
    """An exact attention weight: `0.1234`."""
    return _pattern(value, lambda number: f"{max(0.0, number):.4f}", SLACK)


def difference(value: float) -> str:
    """A difference of exact attention weights: `+0.1234`, `−0.1234`, `0.0000`."""
    return _pattern(value, lambda number: _without_minus_zero(f"{number:+.4f}"), SLACK)


def probability(value: float) -> str:
    """A probability in the tab Effect: `.123`, `<.001`, `1.00`."""

    def text(number: float) -> str:
        if 0 < number < 0.0005:
            return "<.001"
        return "1.00" if number >= 0.9995 else f"{number:.3f}"[1:]

    return _pattern(value, text, SLACK)


def change(value: float) -> str:
    """A change of a probability in the tab Effect: `+.123`, `−.123`, `.000`."""

    def text(number: float) -> str:
        size = f"{abs(number):.3f}"[1:]
        return size if float(size) == 0 else f"{'-' if number < 0 else '+'}{size}"

    return _pattern(value, text, SLACK)


def metric(value: float) -> str:
    """A logit or a difference of logits: `2.41`, `−0.73`."""
    return _pattern(value, lambda number: _without_minus_zero(f"{number:.2f}"), 1e-3)


def exactly(*patterns: str) -> re.Pattern[str]:
    """A text that consists of these patterns."""
    return re.compile("^" + "".join(patterns) + "$")
