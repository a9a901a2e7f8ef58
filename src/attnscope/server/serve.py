"""Serve a session until the server is stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn

from attnscope.server.address import Listener
from attnscope.server.app import create_app
from attnscope.server.body import BodyLimits
from attnscope.server.connections import LARGEST_HEAD, Connection, ConnectionLimits, Connections
from attnscope.server.static import StaticFiles
from attnscope.session import Session

_GRACE_S = 1
_BACKLOG = 64  # asyncio accepts this many connections before it looks at any of them


class LocalServer:
    """A session behind an open socket. `on_listening` is called once the server accepts requests."""

    def __init__(
        self,
        session: Session,
        listener: Listener,
        *,
        on_listening: Callable[[], None],
        static: StaticFiles | None = None,
        body_limits: BodyLimits | None = None,
        connection_limits: ConnectionLimits | None = None,
    ) -> None:
        connections = Connections(connection_limits or ConnectionLimits())
        config = uvicorn.Config(
            create_app(session, listener.access, static=static, body_limits=body_limits),
            http=cast("type[asyncio.Protocol]", partial(Connection, connections)),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=LARGEST_HEAD,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config, session, connections, on_listening)
        self._socket = listener.socket

    def run(self) -> None:
        """Answer requests until SIGINT, SIGTERM or `stop`, then stop all work and return within two seconds.

        A thread may still be running a forward pass or loading a model afterwards. Such threads are daemons.
        """
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `run` return. Can be called from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's server, but a signal first stops the session's work and then ends the server without an error."""

    def __init__(
        self, config: uvicorn.Config, session: Session, connections: Connections, on_listening: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._session = session
        self._connections = connections
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        await super().startup(sockets=sockets)
        if self.started:
            self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._session.close()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # open connections are closed on purpose
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.should_exit = True

    def _handle_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the event loop. Where no files are left for connections, asyncio reports it many times a second."""
        if "socket.accept()" in context["message"]:
            self._connections.report("No connection can be accepted: %s.", context.get("exception"))
        else:
            loop.default_exception_handler(context)
