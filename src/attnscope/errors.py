"""Every error that attnscope raises on purpose.

    AttnscopeError
    ├── InputError        (also ValueError)         an argument, a text or a request that cannot be used
    │   └── TooLongError                            more tokens than the model or the host takes
    ├── MissingError      (also FileNotFoundError)  a file, folder, model or tokenizer that is not there
    ├── DamagedError      (also ValueError)         a file or message whose bytes are not what they claim
    ├── UnreachableError  (also OSError)            a model hub or package index that does not answer
    ├── UnsupportedError                                what the model does cannot be shown exactly
    └── CancelledError                              somebody asked for this work to stop

A message is one sentence or two: what was wrong, what was got, what to do about it.
"""


class AttnscopeError(Exception):
    """Root of all errors that attnscope raises on purpose."""


class InputError(AttnscopeError, ValueError):
    """An argument, a text or a request that cannot be used as it is."""


class TooLongError(InputError):
    """More tokens, or a larger body, than the model or the host takes. `fits`: how many tokens it takes, where known."""

    def __init__(self, message: str, *, fits: int | None = None) -> None:
        super().__init__(message)
        self.fits = fits


class MissingError(AttnscopeError, FileNotFoundError):
    """A file, folder, model or tokenizer that is not where it was looked for."""

    def __str__(self) -> str:  # OSError would format (errno, strerror)
        return str(self.args[0]) if self.args else ""


class DamagedError(AttnscopeError, ValueError):
    """A file or a message whose bytes are not what they claim to be."""


class UnreachableError(AttnscopeError, OSError):
    """A model hub or a package index that does not answer."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnsupportedError(AttnscopeError):
    """What the model does here cannot be shown exactly, so it is not shown at all."""


class CancelledError(AttnscopeError):
    """Somebody asked for this work to stop."""
