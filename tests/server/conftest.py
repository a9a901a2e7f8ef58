"""A real server on loopback with a fake model."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from helpers.session_requests import LayerGate, messages_in

from attnscope.server.address import Listener, listen
from attnscope.server.body import BodyLimits
from attnscope.server.connections import ConnectionLimits
from attnscope.server.serve import LocalServer
from attnscope.server.static import StaticFiles
from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import Message

PAGE = "<!doctype html><title>the page</title>"


@dataclass
class Running:
    """A running server, with helpers to send requests."""

    listener: Listener
    session: Session
    gate: LayerGate
    server: LocalServer

    @property
    def port(self) -> int:
        return self.listener.access.port

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return self.listener.access.token

    @property
    def cookie(self) -> str:
        return f"{self.listener.access.cookie_name}={self.listener.access.script_cookie}"

    def client(self, **headers: str) -> httpx.Client:
        """A client with the cookie of a program."""
        own = {"cookie": self.cookie, "origin": self.base, **headers}
        return httpx.Client(base_url=self.base, headers=own, timeout=20)

    def ask(self, **fields: object) -> list[Message]:
        """All responses to a request."""
        with self.client() as client:
            answer = client.post("/api", json={"v": 1, "id": "1", **fields})
        assert answer.status_code == 200, answer.text
        return list(messages_in(answer.content))

    def raw(self, data: bytes) -> bytes:
        """The response to exactly these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            return _read_response(connection)

    def status(self, data: bytes) -> int:
        return int(self.raw(data).split(b" ", 2)[1])


def _read_response(connection: socket.socket) -> bytes:
    """One response: its headers, and a body as long as its Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (part := connection.recv(65536)):
        body += part
    return head + b"\r\n\r\n" + body


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "app.html").write_text(PAGE)
    (folder / "app.js").write_text("export const one = 1;")
    (folder / "assets" / "look.css").write_text("body { margin: 0 }")
    (folder / "notes.txt").write_text("not for the page")
    (tmp_path / "secret.js").write_text("outside")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    return folder


class Serving(Protocol):
    """Starts a server with custom limits."""

    def __call__(
        self,
        limits: Limits | None = None,
        further: Sequence[ModelEntry] = (),
        connection_limits: ConnectionLimits | None = None,
    ) -> AbstractContextManager[Running]: ...


@pytest.fixture
def running(static: Path) -> Iterator[Running]:
    with _start(static) as running:
        yield running


@pytest.fixture
def serving(static: Path) -> Serving:
    return partial(_start, static)


@contextmanager
def _start(
    static: Path,
    limits: Limits | None = None,
    further: Sequence[ModelEntry] = (),
    connection_limits: ConnectionLimits | None = None,
) -> Generator[Running]:
    gate = LayerGate()
    models = [
        ModelEntry.loaded(FakeModel()),
        ModelEntry.loaded(FakeModel(name="held", on_layer=gate)),
        ModelEntry.loaded(FakeModel(name="writer", kind="encoder-decoder")),
        *further,
    ]
    session = Session(models, limits=limits)
    listener = listen(port=0)
    up = threading.Event()
    server = LocalServer(
        session,
        listener,
        on_listening=up.set,
        static=StaticFiles(static),
        body_limits=BodyLimits(bytes=1_000_000, seconds=1.0, bytes_with_tensors=3_000_000, seconds_with_tensors=2.0),
        connection_limits=connection_limits,
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert up.wait(20)
        yield Running(listener, session, gate, server)
    finally:
        gate.open.set()
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
