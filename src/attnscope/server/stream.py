"""Run one request of the session in its own thread, and stream its responses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from attnscope.session import Session
from attnscope.wire import Message


class Work:
    """A running request. Iterating yields the bytes of each response; `stop` ends the work early."""

    def __init__(self, session: Session, request: Message) -> None:
        self._session = session
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._responses: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread. It is a daemon, so that a slow forward pass cannot delay the end of the program."""
        threading.Thread(target=self._run, name=f"request {self._request.type[:20]}", daemon=True).start()

    def stop(self) -> None:
        """Stop the work, because the client has disconnected."""
        self._stopped.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (response := await self._responses.get()) is not None:
            yield response

    def _run(self) -> None:
        try:
            self._session.answer(self._request, self._put, disconnected=self._stopped.is_set)
        finally:
            self._put(None)

    def _put(self, response: bytes | None) -> None:
        if not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._responses.put_nowait, response)
            except RuntimeError:  # the loop closed after the check above: the server has stopped
                self.stop()
