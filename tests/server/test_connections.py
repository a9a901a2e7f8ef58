"""A server that stays up: connections that wait, pile up, or send something else than HTTP."""

from __future__ import annotations

import contextlib
import json
import logging
import resource
import socket
import subprocess
import sys
import time

import httpx
import pytest

from attnscope.server import connections
from attnscope.server.connections import LARGEST_HEAD, ConnectionLimits

PATIENCE_S = 30.0

# A server that may have few open files. It prints its port, cookie and origin, and serves until it is killed.
SMALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from attnscope.server.address import listen
from attnscope.server.serve import LocalServer
from attnscope.session import ModelEntry, Session
from attnscope.testing.fake_model import FakeModel

listener = listen(port=0)
access = listener.access
def announce():
    print(access.port, f"{access.cookie_name}={access.script_cookie}", flush=True)
LocalServer(Session([ModelEntry.loaded(FakeModel())]), listener, on_listening=announce).run()
"""


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def closed_by_server(connection: socket.socket) -> bool:
    """Wait until the server closes this connection; False if it does not."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def get(running, path: str = "/") -> int:
    with running.client() as client:
        return client.get(path).status_code


def test_connections_that_send_nothing_do_not_keep_anyone_out(running):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(running.port)) for _ in range(600)]
        for _ in range(3):
            assert get(running) == 200
            assert running.ask(type="hello")[0].type == "hello"
        assert closed_by_server(idle[0])


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nCookie: x", b"POST /api HTTP/1.1\r\nContent-Le"]
)
def test_a_connection_that_does_not_send_its_headers_is_closed(serving, sent):
    with serving(connection_limits=ConnectionLimits(seconds=0.3)) as running, connect(running.port) as waiting:
        waiting.sendall(sent)
        assert closed_by_server(waiting)


def test_headers_that_trickle_in_are_cut_off(serving):
    with serving(connection_limits=ConnectionLimits(seconds=0.5)) as running, connect(running.port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        until = time.monotonic() + PATIENCE_S
        with pytest.raises(OSError):
            while time.monotonic() < until:
                slow.sendall(b"a: b\r\n")
                time.sleep(0.02)


def test_a_connection_without_the_token_has_no_more_time_after_an_answer(serving):
    with serving(connection_limits=ConnectionLimits(seconds=0.3)) as running, connect(running.port) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\nGET / HT" % running.port)
        assert closed_by_server(stranger)


def test_an_admitted_request_takes_as_long_as_it_needs(serving):
    with serving(connection_limits=ConnectionLimits(seconds=0.3)) as running:
        running.gate.at = 1
        request = {"v": 1, "id": "1", "type": "run", "model": "held", "text": "a b c"}
        with running.client() as client, client.stream("POST", "/api", json=request) as answer:
            parts = answer.iter_bytes()
            next(parts)
            time.sleep(1.0)  # several times the limit
            running.gate.open.set()
            assert b'\\"trace\\"' in b"".join(parts)


def test_connections_with_requests_are_kept_when_strangers_crowd_in(serving):
    with serving(connection_limits=ConnectionLimits(most=8)) as running, contextlib.ExitStack() as stack:
        running.gate.at = 1
        request = {"v": 1, "id": "1", "type": "run", "model": "held", "text": "a b c"}
        client = stack.enter_context(running.client())
        answer = stack.enter_context(client.stream("POST", "/api", json=request))
        parts = answer.iter_bytes()
        next(parts)
        crowd = [stack.enter_context(connect(running.port)) for _ in range(40)]
        assert closed_by_server(crowd[0])
        running.gate.open.set()
        assert b'\\"trace\\"' in b"".join(parts)


def test_idle_connections_with_the_token_make_room_as_well(serving):
    with serving(connection_limits=ConnectionLimits(most=8)) as running, contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(running.client())
            assert client.get("/").status_code == 200


def test_too_many_connections_are_one_line_in_the_log(serving, caplog):
    with serving(connection_limits=ConnectionLimits(most=8)) as running, contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(running.port))
        assert get(running) == 200
    (line,) = [record for record in caplog.records if record.name == "attnscope.server"]
    assert line.levelno == logging.WARNING and "8 connections are open" in line.getMessage()


@pytest.mark.parametrize(("files", "expected"), [(None, 256), (1024, 256), (256, 64), (100, 8)])
def test_the_limit_leaves_room_for_other_files(monkeypatch, files, expected):
    monkeypatch.setattr(connections, "_open_files_limit", lambda: files)
    assert connections.Connections(ConnectionLimits())._most == expected


def test_a_crowd_does_not_use_up_the_open_files_nor_flood_the_log():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > 1200
    with subprocess.Popen(
        [sys.executable, "-c", SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout and process.stderr
            port, cookie = process.stdout.readline().split()
            headers = {"cookie": cookie}
            with contextlib.ExitStack() as stack:
                for _ in range(3):
                    for _ in range(300):
                        stack.enter_context(connect(int(port)))
                    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE_S) as own:
                        answer = own.post("/api", json={"v": 1, "id": "1", "type": "hello"})
                        assert answer.status_code == 200
        finally:
            process.kill()
        log = process.stderr.read()
    assert len(log.splitlines()) <= 1, log[:2000]


def test_no_files_left_for_connections_is_one_line_in_the_log(running, caplog):
    server = running.server._server
    for _ in range(1000):
        server._handle_loop_error(None, {"message": "socket.accept() out of system resource", "exception": OSError(24)})
    assert len([record for record in caplog.records if record.name == "attnscope.server"]) == 1


def security_headers_in(answer: bytes) -> bool:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return all(
        name in head
        for name in (
            b"\r\ncontent-security-policy: default-src 'none'",
            b"\r\nx-content-type-options: nosniff",
            b"\r\nx-frame-options: deny",
            b"\r\ncache-control: no-store",
        )
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",  # a TLS greeting
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_get_a_bad_request_with_the_security_headers(running, sent):
    answer = running.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert security_headers_in(answer)
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (body["type"], body["code"]) == ("error", "bad_request") and body["message"].endswith(".")


def head(running, *lines: str) -> bytes:
    own = ["POST /api HTTP/1.1", f"Host: 127.0.0.1:{running.port}", f"Cookie: {running.cookie}"]
    return "\r\n".join([*own, "Content-Type: application/json", *lines, "", ""]).encode()


@pytest.mark.parametrize("order", [1, -1])
def test_a_request_with_two_kinds_of_length_is_rejected_and_its_connection_closed(running, order):
    lengths = ["Content-Length: 5", "Transfer-Encoding: chunked"][::order]
    smuggled = b"0\r\n\r\n" + head(running, "Content-Length: 0")
    with connect(running.port) as connection:
        connection.sendall(head(running, *lengths) + smuggled)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert security_headers_in(received)


def test_headers_up_to_the_limit_are_accepted_and_larger_ones_rejected(running):
    for size, statuses in ((LARGEST_HEAD // 2, {200}), (LARGEST_HEAD + 1, {400, 431}), (8 * LARGEST_HEAD, {400, 431})):
        with connect(running.port) as connection:
            body = b'{"v":1,"id":"1","type":"hello"}'
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(head(running, f"Content-Length: {len(body)}", "X-Large: " + "a" * size) + body)
            assert int(connection.recv(65536).split(b" ", 2)[1]) in statuses
    many = [f"X-{index}: {'a' * 100}" for index in range(1000)]
    assert running.status(head(running, "Content-Length: 0", *many)) in (400, 431)
    address = b"GET /?" + b"a" * (LARGEST_HEAD + 1) + b" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % running.port
    assert running.status(address) in (400, 431)
