"""Whether the model hub is in reach, asked once with a short patience: its own client would retry for minutes."""

from __future__ import annotations

import queue
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, cast

from attnscope.errors import InputError, MissingError, UnreachableError
from attnscope.model.loading.packaged import EMBEDDED, likely_meant

PATIENCE = 5.0
"""Seconds until a hub that does not answer counts as out of reach."""

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_GATEWAY_ERRORS = (502, 503, 504)

INSTEAD = f"Load an embedded model ({', '.join(EMBEDDED)}), a local model directory or a .gguf file instead."


def check_id(source: str) -> None:
    """Raise `InputError` where `source` cannot be a hub id."""
    if not _ID.fullmatch(source) or ".." in source or "--" in source or len(source) > 200:
        raise InputError(
            f"{source[:80]!r} is no model: give a hub id such as 'gpt2' or 'owner/name', a local directory, a "
            f".gguf file or an embedded name ({', '.join(EMBEDDED)})."
        )


def only_cached(source: str, revision: str | None) -> bool:
    """Whether a hub model must come from the hub's cache because the hub is switched off or does not answer.

    Raises `UnreachableError` where it must and is not there, and `MissingError` where an embedded name was misspelt.
    """
    import huggingface_hub
    from huggingface_hub import constants

    check_id(source)
    cached = cached_commit(source, revision) is not None
    meant = likely_meant(source)
    if meant is not None and "/" not in source and not cached:
        raise MissingError(f"There is no model {source!r}; did you mean {meant!r}?")
    if cast(Any, huggingface_hub).is_offline_mode():
        if not cached:
            raise UnreachableError(
                f"{source!r} is not in the hub's cache on this machine, and HF_HUB_OFFLINE forbids to download "
                f"it. {INSTEAD}"
            )
        return True
    reason = _unreachable(constants.ENDPOINT)
    if reason is None:
        return False
    if not cached:
        raise UnreachableError(f"The model hub at {constants.ENDPOINT} cannot be reached ({reason}). {INSTEAD}")
    return True


def cached_commit(source: str, revision: str | None) -> str | None:
    """The commit of a hub model in the hub's cache: its files lie in a folder of that name."""
    import huggingface_hub

    config = huggingface_hub.try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(config).parent.name if isinstance(config, str) else None


def _unreachable(endpoint: str) -> str | None:
    """Why nothing answers at `endpoint`, or None where something does."""
    if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise InputError(f"HF_ENDPOINT should be an http or https address; it is {endpoint!r}.")
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # a thread, because a name with several addresses takes the time-out once for each
    threading.Thread(target=lambda: answers.put(_ask(endpoint)), daemon=True).start()
    try:
        return answers.get(timeout=PATIENCE)
    except queue.Empty:
        return f"no answer within {PATIENCE:.0f} s"


def _ask(endpoint: str) -> str | None:
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - the scheme was checked
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:  # an answer, so there is a hub; unless a proxy gives it in its stead
        return f"HTTP status {error.code}" if error.code in _GATEWAY_ERRORS else None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return None  # somebody is there; the hub's client may know certificates that Python does not
        return _words(error.reason)
    except (OSError, ValueError) as error:
        return _words(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is no answer, and the thread's caller must hear of it
        return _words(error)


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return f"no answer within {PATIENCE:.0f} s"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).rstrip(".")
