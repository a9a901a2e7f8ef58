"""Checks of user-supplied values: of single ones, and of the arguments of a public function."""

from __future__ import annotations

import inspect
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import ParamSpec, TypeVar

from attnscope.errors import InputError

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Kind:
    """A kind of argument: its name for the error message, and which values are of this kind."""

    words: str
    fits: Callable[[object], bool]


def is_whole(value: object) -> bool:
    """Whether `value` is an integer, including NumPy integers but not booleans."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether `value` is a real number, including NumPy numbers but not booleans."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_index(value: object) -> bool:
    """Whether `value` can stand for an index: an integer of Python, NumPy or torch, but not a boolean."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        return False
    try:
        operator.index(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def is_text(text: str) -> bool:
    """Whether a string holds characters only. Python and JSON strings can also hold half of one, a lone surrogate."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def require_characters(text: str, what: str) -> None:
    """Raise `InputError` for a string with half a character. `what` names it at the beginning of the message."""
    if not is_text(text):
        raise InputError(f"{what} contains half a character (a lone surrogate). Remove it.")


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path with `~` replaced. Raises `InputError` for one that no file can have."""
    try:
        found = Path(path).expanduser()
        found.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"Invalid path {str(path)!r:.80}: {getattr(error, 'strerror', None) or error}.") from error
    return found


def instance(words: str, *types: type) -> Kind:
    """Instances of one of these classes."""
    return Kind(words, lambda value: isinstance(value, types))


def check_arguments(**kinds: Kind) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a function raise `InputError` for an argument that is not of its kind. None is fine where it is the default."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind_partial(*args, **kwargs).arguments
            for name, kind in kinds.items():
                if name in given:
                    _require(name, given[name], kind, signature.parameters[name].default)
            return function(*args, **kwargs)

        return checked

    return decorate


def _require(name: str, value: object, kind: Kind, default: object) -> None:
    if (value is None and default is None) or kind.fits(value):
        return
    or_none = ", or None" if default is None else ""
    raise InputError(f"`{name}` must be {kind.words}{or_none}; got {value!r:.80}.")


def _is_flag(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool") or (is_whole(value) and value in (0, 1))


def _is_path(value: object) -> bool:
    if not isinstance(value, (str, os.PathLike)):
        return False
    try:
        return "\0" not in os.fsdecode(os.fsencode(value))  # pyright: ignore[reportUnknownArgumentType]
    except UnicodeEncodeError:
        return False


def _is_observer(value: object) -> bool:
    return callable(getattr(value, "layer", None)) and callable(getattr(value, "cancelled", None))


TEXT = Kind("a string without lone surrogates", lambda value: isinstance(value, str) and is_text(value))
FLAG = Kind("True or False", _is_flag)
WHOLE = Kind("an integer", is_whole)
NUMBER = Kind("a number", is_number)
PATH = Kind("a valid path", _is_path)
FUNCTION = Kind("a function", callable)
OBSERVER = Kind("an `Observer`, with the methods `layer` and `cancelled`", _is_observer)
