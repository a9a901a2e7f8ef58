"""The `error` response: what went wrong with a request."""

from __future__ import annotations

import logging

from attnscope.errors import (
    AttnscopeError,
    CancelledError,
    MissingError,
    TooLongError,
    UnreachableError,
    UnsupportedError,
)
from attnscope.session.jobs import BusyError, Job
from attnscope.wire import Message

_log = logging.getLogger("attnscope.session")

LONGEST_TEXT = 2000
"""The most characters of an error's text."""

_CODES: tuple[tuple[type[AttnscopeError], str], ...] = (
    (TooLongError, "too_large"),
    (MissingError, "unknown"),
    (UnsupportedError, "unsupported"),
    (CancelledError, "cancelled"),
    (UnreachableError, "unreachable"),
    (AttnscopeError, "bad_request"),
)


def error_message(ident: str, code: str, text: str) -> Message:
    """An `error` response. A text that quotes too much of a request is cut."""
    return Message("error", ident, {"last": True, "code": code, "message": _short(text)})


def failure(error: Exception, job: Job) -> Message:
    """The `error` response for an exception. Unexpected exceptions are logged with their traceback."""
    if isinstance(error, BusyError):
        return error_message(job.id, "busy", str(error))
    if isinstance(error, CancelledError):
        return error_message(job.id, "cancelled", job.reason)
    if isinstance(error, TooLongError) and error.fits is not None:
        body = {"last": True, "code": "too_large", "message": _short(str(error)), "fits": error.fits}
        return Message("error", job.id, body)
    for kind, code in _CODES:
        if isinstance(error, kind):
            return error_message(job.id, code, str(error))
    _log.error("a request of type %r failed", job.kind, exc_info=error)
    if isinstance(error, MemoryError):
        return error_message(job.id, "too_large", "There is not enough memory for this request. Shorten the text.")
    return error_message(
        job.id,
        "internal",
        f"Internal error ({type(error).__name__}). For details, see the terminal where attnscope runs.",
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
