"""Small checks of user-supplied values."""

from __future__ import annotations

from numbers import Integral, Real


def is_whole(value: object) -> bool:
    """Whether `value` is an integer, including NumPy integers but not booleans."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether `value` is a real number, including NumPy numbers but not booleans."""
    return isinstance(value, Real) and not isinstance(value, bool)
