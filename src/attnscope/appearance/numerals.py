"""Numbers as text. Halves are rounded away from zero, as JavaScript does, so figures and the page show the same digits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

MINUS = "−"
_MOST_DECIMALS = 6
_EXACT = Context(prec=1100, rounding=ROUND_HALF_UP)
"""Precise enough for every digit of a double."""


def fixed(value: float, digits: int) -> str:
    """Format `value` like JavaScript's `toFixed`: 0.125 becomes `0.13`, where Python's own formatting says `0.12`."""
    if not math.isfinite(value):
        return str(value)
    return f"{Decimal(float(value)).quantize(Decimal(1).scaleb(-digits), context=_EXACT):f}"


def significant(value: float, digits: int = 4) -> str:
    """Format `value` to `digits` significant digits, without trailing zeros, with a real minus: `0.25`, `−2`, `1e−7`."""
    if not math.isfinite(value):
        return str(value)
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(Decimal(float(value))).normalize()
    if not rounded:
        return "0"
    power = rounded.adjusted()
    written_out = -7 < power < 21  # JavaScript's rule
    text = f"{rounded:f}" if written_out else f"{rounded.scaleb(-power):f}e{power:+d}"
    return text.replace("-", MINUS)


def short_weight(weight: float) -> str:
    """Format a weight for a narrow column: `.35`, `1.0`; empty below .005."""
    if weight >= 0.995:
        return "1.0"
    return "" if weight < 0.005 else fixed(weight, 2)[1:]


def signed(value: float, digits: int) -> str:
    """Format a number with a real minus sign; zero never has one."""
    if value == float("-inf"):
        return f"{MINUS}∞"
    text = fixed(value, digits)
    return text.replace("-", MINUS if float(text) else "")


def end_of_scale(value: float) -> str:
    """Format the magnitude at the end of a scale, with about three significant digits."""
    if value == 0:
        return "0"
    return fixed(value, 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3)


def stated_weight(weight: float) -> str:
    """Format a weight that must be stated however small it is: `.35`, `1.0`, `<.01`."""
    return short_weight(weight) or ("<.01" if weight > 0 else "0")


def score_text(score: float, error: float = 0.0) -> str:
    """Format a score: two decimals, more if it is small, fewer if its error allows no more: `6.62`, `0.0031`, `1.4`."""
    sized = math.isfinite(score) and score != 0
    own = max(2, 1 - math.floor(math.log10(abs(score)))) if sized else 2
    sure = max(0, math.floor(-math.log10(2 * error))) if error > 0 else _MOST_DECIMALS
    return signed(score, min(own, sure, _MOST_DECIMALS))


def scale_factor(factor: float) -> str:
    """Format the factor by which dot products are multiplied: `0.125`, `0.0884`."""
    return significant(factor, 3)


def rounded_up(error: float) -> str:
    """Format an error bound as one digit and a power of ten, rounded up so that it remains a bound: `2e-6`."""
    if error == 0 or not math.isfinite(error):
        return f"{error:g}"
    power = math.floor(math.log10(error))
    digit = math.ceil(error / 10.0**power - 1e-9)
    return f"1e{power + 1}" if digit == 10 else f"{digit}e{power}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Format a count with its noun: `1 token`, `12 tokens`. Pass `many` if the plural is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def head_name(layer: int, head: int) -> str:
    """Name a head by layer and head: `11.0`."""
    return f"{layer}.{head}"


def heads_name(layer: int, heads: Sequence[int]) -> str:
    """Name one head, `head 11.0`, or several of a layer, `layer 2, heads 0, 9`."""
    if len(heads) == 1:
        return f"head {head_name(layer, heads[0])}"
    return f"layer {layer}, heads {', '.join(map(str, heads))}"
