"""Old spellings that still work for one release: each use warns and names the new spelling."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


_PACKAGE = str(Path(__file__).parent)


def warn_renamed(old: str, new: str) -> None:
    """Warn that `old` is now called `new`. The warning points at the code that called attnscope."""
    depth, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(
        f"{old} is deprecated and will be removed in the next release: use {new}.", FutureWarning, stacklevel=depth
    )


def renamed_keywords(**renamed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept old keywords of a function under their new names: `@renamed_keywords(swap="corrupted")`.

    Passing both spellings raises `TypeError`, as Python does for any argument that is passed twice.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in renamed.keys() & kwargs.keys():
                new = renamed[old]
                if new in kwargs:
                    raise TypeError(f"{function.__name__}() got `{new}` twice: as `{new}` and as the old `{old}`.")
                warn_renamed(f"`{old}=` of {function.__name__}", f"`{new}=`")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def renamed_attribute(old: str, new: str) -> Any:
    """A property that warns and returns the attribute `new`."""

    def get(owner: object) -> Any:
        warn_renamed(f"`{type(owner).__name__}.{old}`", f"`{new}`")
        return getattr(owner, new)

    return property(get, doc=f"Deprecated: use `{new}`.\n\n:meta private:")


def renamed_value(argument: str, value: Any, renamed: Mapping[str, str]) -> Any:
    """`value`, or its new spelling where it is an old one of `argument`."""
    if isinstance(value, str) and value in renamed:
        warn_renamed(f"`{argument}={value!r}`", f"`{argument}={renamed[value]!r}`")
        return renamed[value]
    return value
