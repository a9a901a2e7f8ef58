"""Small checks of values that come from outside."""

from __future__ import annotations

from numbers import Integral, Real


def is_whole(value: object) -> bool:
    """Whether this is a whole number, NumPy's too; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether this is a real number, NumPy's too; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool)
