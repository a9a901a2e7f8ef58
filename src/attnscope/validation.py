"""Small checks of user-supplied values."""

from __future__ import annotations

from numbers import Integral, Real

from attnscope.errors import InputError


def is_whole(value: object) -> bool:
    """Whether `value` is an integer, including NumPy integers but not booleans."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether `value` is a real number, including NumPy numbers but not booleans."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_text(text: str) -> bool:
    """Whether a string holds characters only. Python and JSON strings can also hold half of one, a lone surrogate."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def require_characters(text: str, what: str) -> None:
    """Raise `InputError` for a string with half a character. `what` names it at the beginning of the message."""
    if not is_text(text):
        raise InputError(f"{what} contains half a character (a lone surrogate). Remove it.")
