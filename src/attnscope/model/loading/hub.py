"""Test once, with a short timeout, whether the model hub can be reached; its own client would retry for minutes."""

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
from attnscope.model.loading.packaged import EMBEDDED, closest_name

PATIENCE = 5.0
"""Seconds without an answer until the hub counts as unreachable."""

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_GATEWAY_ERRORS = (502, 503, 504)

INSTEAD = f"Load an embedded model ({', '.join(EMBEDDED)}), a local model directory or a .gguf file instead."


def check_id(source: str) -> None:
    """Raise `InputError` if `source` cannot be a hub id."""
    if not _ID.fullmatch(source) or ".." in source or "--" in source or len(source) > 200:
        raise InputError(
            f"{source[:80]!r:.300} is not a valid model name. Use a hub id such as 'gpt2' or 'owner/name', a local "
            f"directory, a .gguf file or an embedded name ({', '.join(EMBEDDED)})."
        )


def must_use_cache(source: str, revision: str | None) -> bool:
    """Whether a hub model must come from the local cache, because the hub is disabled or does not answer.

    Raises `UnreachableError` if it must but is not in the cache, and `MissingError` if an embedded name was misspelled.
    """
    import huggingface_hub
    from huggingface_hub import constants

    check_id(source)
    cached = cached_commit(source, revision) is not None
    suggestion = closest_name(source)
    if suggestion is not None and "/" not in source and not cached:
        raise MissingError(f"The model {source!r:.300} does not exist. Did you mean {suggestion!r:.300}?")
    if cast(Any, huggingface_hub).is_offline_mode():
        if not cached:
            raise UnreachableError(
                f"{source!r:.300} is not in the hub's cache on this machine, and HF_HUB_OFFLINE prevents downloading "
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
    """The commit of a hub model in the local cache (the name of the folder that contains its files); None if not cached."""
    import huggingface_hub

    config = huggingface_hub.try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(config).parent.name if isinstance(config, str) else None


def _unreachable(endpoint: str) -> str | None:
    """Why nothing answers at `endpoint`; None if something does."""
    if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise InputError(f"HF_ENDPOINT must be an http or https address; got {endpoint!r:.80}.")
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # in a thread, because the timeout applies once to each address of a host name
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
    except urllib.error.HTTPError as error:  # the hub answers, unless a proxy does so in its place
        return f"HTTP status {error.code}" if error.code in _GATEWAY_ERRORS else None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return None  # something answers; the hub's client may know certificates that Python does not
        return _reason(error.reason)
    except (OSError, ValueError) as error:
        return _reason(error)
    except Exception as error:  # noqa: BLE001 - any failure means no answer, and the calling thread must get the reason
        return _reason(error)


def _reason(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return f"no answer within {PATIENCE:.0f} s"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).rstrip(".")
