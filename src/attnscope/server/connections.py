"""The open connections of a server: how many there may be, and how long one may wait without an admitted request.

A connection is admitted once a request on it has passed all checks of `Guard`. Connections without an admitted request have
little time, and are the first to be closed when there are too many, so that they cannot crowd out the others.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from attnscope.server.replies import bad_request_bytes

LARGEST_HEAD = 64 * 2**10
"""The most bytes of a request line and its headers."""

_log = logging.getLogger("attnscope.server")

_MOST = 256
_FEWEST = 8
_RESERVED_DESCRIPTORS = 128
_QUIET_S = 60.0


@dataclass(frozen=True)
class ConnectionLimits:
    """The most open connections, and the seconds that a connection may wait without an admitted request."""

    most: int = _MOST
    seconds: float = 10.0


class Connections:
    """All open connections of a server."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._most = min(limits.most, _connections_for(_open_files_limit()))
        self._open: dict[Connection, None] = {}  # oldest first
        self._reported = -_QUIET_S

    def opened(self, connection: Connection) -> None:
        """Count a new connection. If there are too many, close the one that is needed least."""
        if len(self._open) >= self._most:
            self.report(
                "%d connections are open. Until there are fewer, new ones replace those without the access token.",
                self._most,
            )
            (self._least_needed() or connection).drop()
        if not connection.dropped:
            self._open[connection] = None

    def closed(self, connection: Connection) -> None:
        """Count a connection no longer."""
        self._open.pop(connection, None)

    def report(self, message: str, *values: object) -> None:
        """Log a problem that may come up many times a second; once a minute is enough."""
        if time.monotonic() - self._reported >= _QUIET_S:
            self._reported = time.monotonic()
            _log.warning(message, *values)

    def _least_needed(self) -> Connection | None:
        """The oldest connection that was never admitted, else the oldest without a request; None if all are at work."""
        strangers = (one for one in self._open if not one.known)
        idle = (one for one in self._open if not one.at_work)
        return next(strangers, None) or next(idle, None)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a time limit for whatever comes before an admitted request.

    `known` says whether a request on this connection was ever admitted, `at_work` whether one is in progress.
    """

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self.known = self.at_work = self.dropped = False
        self._connections = connections
        self._answer = cast("ASGIApp", self.app)
        self.app = cast("Any", self._timed)
        self._request = object()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Start the time limit."""
        super().connection_made(transport)
        self._wait()
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        self._stop_waiting()
        self._connections.closed(self)
        super().connection_lost(exc)

    def admit(self) -> None:
        """The current request has passed all checks, and may take as long as it needs."""
        self.known = self.at_work = True
        self._stop_waiting()

    def drop(self) -> None:
        """Close the connection at once."""
        self.dropped = True
        self._connections.closed(self)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP like any other bad request. uvicorn would leave out the security headers."""
        del msg
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:  # pyright: ignore[reportUnnecessaryComparison]
            self.transport.write(bad_request_bytes())
        self.transport.close()

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. The time limit starts again when it ends, unless the next one has already begun."""
        self._request = request = object()
        try:
            await self._answer(scope, receive, send)
        finally:
            if self._request is request:
                self.at_work = False
                self._wait()

    def _wait(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self._timer = self.loop.call_later(self._connections.limits.seconds, self._end)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        """Close the connection; if a response cannot be sent to the end, because nobody reads it, drop the rest."""
        self.transport.close()
        self._timer = self.loop.call_later(self._connections.limits.seconds, self.transport.abort)


def admit(scope: Scope) -> None:
    """Admit the request of `scope` on its connection. Without a server, as in a unit test of the application, there is none."""
    connection = scope.get("state", {}).get("connection")
    if connection is not None:
        connection.admit()


def _connections_for(open_files: int | None) -> int:
    """How many connections fit the number of files that the process may have open; None is unlimited."""
    return _MOST if open_files is None else max(_FEWEST, (open_files - _RESERVED_DESCRIPTORS) // 2)


def _open_files_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
