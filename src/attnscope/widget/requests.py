"""Run a page's requests in threads off the notebook's shell thread, and send the responses back.

The content of a custom message is `{"request": {…}}`, the JSON object of docs/reference/wire.md; if the request has tensors,
`tensors` lists their names, and the buffers of the message are their bytes (uint8). The reply `{"received": id}`
comes at once, so that the page can tell a kernel that works on the request from one that is busy with a cell. Each response then
follows as `{"answer": id}` with its bytes.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from attnscope.errors import DamagedError
from attnscope.session import Session
from attnscope.session.messages.error import error_message
from attnscope.wire import Message, encode, message_from_fields

Send = Callable[[dict[str, str], list[bytes]], None]

_log = logging.getLogger("attnscope.widget")


class Requests:
    """The running requests of a widget's pages. `send` takes the content and the buffers of a custom message, from any thread."""

    def __init__(self, session: Session, send: Send) -> None:
        self._session = session
        self._send = send
        self._stopped: dict[str, threading.Event] = {}
        self._sending = threading.Lock()

    def receive(self, content: object, buffers: object = ()) -> None:
        """Handle one custom message from a page. Returns at once and never raises.

        The buffers are the tensors of the request; `tensors` in the content has their names.
        """
        parts = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
        fields = parts.get("request")
        if fields is None:
            return  # one of anywidget's own messages
        try:
            request = message_from_fields(fields, _tensors(parts.get("tensors"), buffers))
        except DamagedError as error:
            ident = cast("dict[str, Any]", fields).get("id") if isinstance(fields, dict) else None
            self._answer_with(str(ident), encode(error_message(str(ident), "bad_request", str(error))))
            return
        if request.type == "cancel":
            self._cancel(request)
            return
        self._post({"received": request.id}, [])
        stopped = self._stopped[request.id] = threading.Event()
        # The thread gets a copy of the message's context, so that ipykernel keeps the page's next messages off the shell
        # thread that runs cells.
        context = contextvars.copy_context()
        name = f"attnscope {request.type[:20]}"
        threading.Thread(target=context.run, args=(self._work, request, stopped), name=name, daemon=True).start()

    def close(self) -> None:
        """Stop all requests."""
        self._session.close()
        for stopped in list(self._stopped.values()):
            stopped.set()

    def _cancel(self, request: Message) -> None:
        """Cancel a request. It may not have started yet, so it is also marked as stopped here."""
        stopped = self._stopped.get(str(request.body.get("target")))
        if stopped is not None:
            stopped.set()
        self._session.answer(request, lambda data: self._answer_with(request.id, data))

    def _work(self, request: Message, stopped: threading.Event) -> None:
        try:
            self._session.answer(request, lambda data: self._answer_with(request.id, data), disconnected=stopped.is_set)
        finally:
            self._stopped.pop(request.id, None)

    def _answer_with(self, ident: str, data: bytes) -> None:
        self._post({"answer": ident}, [data])

    def _post(self, content: dict[str, str], buffers: list[bytes]) -> None:
        with self._sending:
            try:
                self._send(content, buffers)
            except Exception:  # noqa: BLE001 - the notebook's transport failed, so the error can only be logged
                _log.exception("a response could not be sent to the notebook")


def _tensors(names: object, buffers: object) -> dict[str, np.ndarray]:
    """The tensors of a request. Raises `DamagedError` unless there is one buffer for each name."""
    received = cast("list[Any]", buffers) if isinstance(buffers, list | tuple) else []
    named = cast("list[object]", names) if isinstance(names, list) else []
    if len(named) != len(received) or not all(isinstance(name, str) for name in named):
        raise DamagedError("`tensors` must have the name of each buffer of the message.")
    return {str(name): np.frombuffer(data, np.uint8) for name, data in zip(named, received, strict=True)}
