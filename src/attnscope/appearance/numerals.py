"""Numbers as text, rounded as JavaScript does (halves away from zero), so that figures and the page show the same digits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

MINUS = "−"
_EXACT = Context(prec=1100, rounding=ROUND_HALF_UP)
"""Room for every digit of a double."""


def fixed(value: float, digits: int) -> str:
    """`value` with so many decimals, as JavaScript's `toFixed`: 0.125 is `0.13` where Python's own format says `0.12`."""
    if not math.isfinite(value):
        return str(value)
    return f"{Decimal(float(value)).quantize(Decimal(1).scaleb(-digits), context=_EXACT):f}"


def significant(value: float, digits: int = 4) -> str:
    """`value` with at most so many digits that count, no zeros at the end, and a real minus: `0.25`, `−2`, `1e−7`."""
    if not math.isfinite(value):
        return str(value)
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(Decimal(float(value))).normalize()
    if not rounded:
        return "0"
    power = rounded.adjusted()
    written_out = -7 < power < 21  # as JavaScript decides it
    text = f"{rounded:f}" if written_out else f"{rounded.scaleb(-power):f}e{power:+d}"
    return text.replace("-", MINUS)


def short_weight(weight: float) -> str:
    """A weight for a narrow column: `.35`, `1.0`; nothing below .005."""
    if weight >= 0.995:
        return "1.0"
    return "" if weight < 0.005 else fixed(weight, 2)[1:]


def signed(value: float, digits: int) -> str:
    """A number with a real minus, which zero does not have."""
    if value == float("-inf"):
        return f"{MINUS}∞"
    text = fixed(value, digits)
    return text.replace("-", MINUS if float(text) else "")


def end_of_scale(value: float) -> str:
    """The magnitude at which a scale is full, with three digits at most."""
    if value == 0:
        return "0"
    return fixed(value, 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 token`, `12 tokens`, `1,024 tokens`; `many` is the plural where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def head_name(layer: int, head: int) -> str:
    """`11.0`."""
    return f"{layer}.{head}"


def heads_name(layer: int, heads: Sequence[int]) -> str:
    """`head 11.0`, or `layer 2, heads 0, 9`."""
    if len(heads) == 1:
        return f"head {head_name(layer, heads[0])}"
    return f"layer {layer}, heads {', '.join(map(str, heads))}"
