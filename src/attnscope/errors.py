"""All errors that attnscope raises on purpose.

    AttnscopeError
    ├── InputError        (also ValueError)         an argument, text or request that cannot be used
    │   └── TooLongError                            more tokens or bytes than the model or the host accepts
    ├── MissingError      (also FileNotFoundError)  a file, folder, model or tokenizer that was not found
    ├── DamagedError      (also ValueError)         a file or message that is truncated, changed or malformed
    ├── UnreachableError  (also OSError)            a model hub or package index that does not respond
    ├── WriteError        (also OSError)            a file that cannot be written: the disk is full, permission denied
    ├── UnsupportedError                            something that cannot be shown exactly for this model
    └── CancelledError                              the work was cancelled

A message is one or two sentences: what is wrong, what was found, and what to do.
"""

from __future__ import annotations

from typing import Any

from attnscope.deprecation import warn_renamed

__all__ = [
    "AttnscopeError",
    "CancelledError",
    "DamagedError",
    "InputError",
    "MissingError",
    "TooLongError",
    "UnreachableError",
    "UnsupportedError",
    "WriteError",
]


class AttnscopeError(Exception):
    """The base class of all errors that attnscope raises on purpose."""


class InputError(AttnscopeError, ValueError):
    """An argument, text or request cannot be used as it is."""


class TooLongError(InputError):
    """The input has more tokens, or the request more bytes, than the model or the host accepts.

    `fits` is the number of tokens that would be accepted, or None where that is unknown.
    """

    def __init__(self, message: str, *, fits: int | None = None) -> None:
        super().__init__(message)
        self.fits = fits


class MissingError(AttnscopeError, FileNotFoundError):
    """A file, folder, model or tokenizer was not found."""

    def __str__(self) -> str:  # OSError would format (errno, strerror)
        return str(self.args[0]) if self.args else ""


class DamagedError(AttnscopeError, ValueError):
    """A file or message is truncated, was changed, or is not of the format that it claims to be."""


class UnreachableError(AttnscopeError, OSError):
    """A model hub or package index does not respond."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WriteError(AttnscopeError, OSError):
    """A file cannot be written: the disk is full, permission is denied, or its name is too long. The old file is kept."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnsupportedError(AttnscopeError):
    """What was asked for cannot be shown exactly for this model, so nothing is shown."""


class CancelledError(AttnscopeError):
    """The work was cancelled, by an observer or by the user, before it finished."""


def __getattr__(name: str) -> Any:
    if name == "RefusedError":
        warn_renamed("`attnscope.errors.RefusedError`", "`UnsupportedError`")
        return UnsupportedError
    raise AttributeError(f"module 'attnscope.errors' has no attribute {name!r:.300}")
