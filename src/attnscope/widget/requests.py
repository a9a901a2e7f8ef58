"""Carries a page's requests from the notebook's shell to threads of their own, and the responses back.

The content of a custom message is `{"request": {…}}`, the JSON object of docs/reference/wire.md. It is answered with
`{"received": id}` at once, so that the page can tell a kernel at work from one that runs a cell, and then with
`{"answer": id}` and the bytes of one response, for each response.
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
from attnscope.wire import Message, decode, encode, message_from_fields

Send = Callable[[dict[str, str], list[bytes]], None]
Seen = Callable[[str], None]

_log = logging.getLogger("attnscope.widget")


class Requests:
    """The requests that a widget's pages have made and that are in work.

    `send` takes the content and the buffers of a custom message, from any thread. `on_trace` is called with the id of
    each trace that a page is about to show.
    """

    def __init__(self, session: Session, send: Send, *, on_trace: Seen) -> None:
        self._session = session
        self._send = send
        self._on_trace = on_trace
        self._stopped: dict[str, threading.Event] = {}
        self._sending = threading.Lock()

    def receive(self, content: object, buffers: object = ()) -> None:
        """Take one custom message from a page. Returns at once; whatever it holds, nothing is raised.

        A buffer beside it is the tensor `image` of the request.
        """
        given = cast("dict[str, Any]", content).get("request") if isinstance(content, dict) else None
        if given is None:
            return  # meant for somebody else: anywidget has messages of its own
        try:
            request = message_from_fields(given, _tensors(buffers))
        except DamagedError as error:
            ident = cast("dict[str, Any]", given).get("id") if isinstance(given, dict) else None
            self._answer_with(str(ident), encode(error_message(str(ident), "bad_request", str(error))))
            return
        if request.type == "cancel":
            self._cancel(request)
            return
        self._post({"received": request.id}, [])
        stopped = self._stopped[request.id] = threading.Event()
        # In the context of this message, so that ipykernel keeps the page's further messages off the shell that runs cells.
        context = contextvars.copy_context()
        name = f"attnscope {request.type[:20]}"
        threading.Thread(target=context.run, args=(self._work, request, stopped), name=name, daemon=True).start()

    def close(self) -> None:
        """Stop everything; no response is sent any more."""
        self._session.close()
        for stopped in list(self._stopped.values()):
            stopped.set()

    def _cancel(self, request: Message) -> None:
        """A request may be told to stop before its thread has begun, so it is marked here."""
        stopped = self._stopped.get(str(request.body.get("target")))
        if stopped is not None:
            stopped.set()
        self._session.answer(request, lambda data: self._answer_with(request.id, data))

    def _work(self, request: Message, stopped: threading.Event) -> None:
        def put(data: bytes) -> None:
            if request.type in ("run", "trace"):
                answer = decode(data)
                if answer.type == "trace":
                    self._on_trace(str(answer.body["trace"]))
            self._answer_with(request.id, data)

        try:
            self._session.answer(request, put, gone=stopped.is_set)
        finally:
            self._stopped.pop(request.id, None)

    def _answer_with(self, ident: str, data: bytes) -> None:
        self._post({"answer": ident}, [data])

    def _post(self, content: dict[str, str], buffers: list[bytes]) -> None:
        with self._sending:
            try:
                self._send(content, buffers)
            except Exception:  # noqa: BLE001 - the notebook's transport failed: whoever asked hears nothing more, the log does
                _log.exception("a response could not be sent to the notebook")


def _tensors(buffers: object) -> dict[str, np.ndarray]:
    held = cast("list[Any]", buffers) if isinstance(buffers, list | tuple) else []
    return {"image": np.frombuffer(held[0], np.uint8)} if held else {}
