"""The server from its first line on the terminal to its end, in its own process and with real signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from attnscope.server.address import DEFAULT_PORT, Listener, listen

ATTNSCOPE = Path(sys.executable).with_name("attnscope")
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
END_WITHIN_S = 2.0  # the promised time from Ctrl-C to the end

# A pass that holds every layer, longer than any test lasts, and hears nothing meanwhile.
DEAF = """
import time
from attnscope.cli.serving import _serve
from attnscope.server.address import listen
from attnscope.session import ModelEntry, Session
from attnscope.testing.fake_model import FakeModel

model = FakeModel(on_layer=lambda layer: layer and time.sleep(600))
_serve(Session([ModelEntry.loaded(model)]), listen(port=0), "a fake", open_browser=False)
"""


@contextmanager
def started(*command: str | Path) -> Generator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A process that serves, the URL that it printed, and the lines that it printed before."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as process:
        assert process.stdout
        try:
            before: list[str] = []
            while "?token=" not in (line := process.stdout.readline()):
                assert line, process.communicate()[1]
                before.append(line)
            yield process, line.rstrip("\n"), before
        finally:
            if process.poll() is None:
                process.kill()


def end(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    process.send_signal(sent)
    assert process.wait(timeout=END_WITHIN_S) == 0
    assert "Traceback" not in process.stderr.read()


@contextmanager
def opened(url: str) -> Generator[httpx.Client]:
    """A client that has exchanged the start URL for its cookie."""
    base, _, query = url.partition("/?")
    with httpx.Client(base_url=base, headers={"origin": base}, timeout=60) as client:
        assert client.get(f"/?{query}").status_code == 303
        yield client


RUN = {"v": 1, "id": "1", "type": "run", "text": "a b c"}


def test_the_url_is_printed_on_its_own_line_and_answers_at_once():
    with started(ATTNSCOPE, "serve", "minilm", "--no-browser", "--port", "0") as (process, url, _):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", url)
        with opened(url) as client:
            assert client.post("/api", json={**RUN, "type": "hello"}).status_code == 200
        end(process, signal.SIGTERM)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_with_code_0_even_during_a_forward_pass_that_cannot_stop(sent):
    with started(sys.executable, "-c", DEAF) as (process, url, _), opened(url) as client:
        request = client.build_request("POST", "/api", json=RUN)
        answer = client.send(request, stream=True)
        next(answer.iter_raw())
        end(process, sent)
        answer.close()


def test_a_signal_ends_the_server_even_during_a_partial_request():
    with started(sys.executable, "-c", DEAF) as (process, url, _):
        with opened(url) as client:
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        port = int(url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /api HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
            connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
            time.sleep(0.2)
            end(process, signal.SIGTERM)


def test_an_explicit_port_that_is_in_use_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [ATTNSCOPE, "serve", "minilm", "--no-browser", "--port", str(port)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"attnscope: Port {port} is in use.")
    assert len(done.stderr.splitlines()) == 1


def test_the_next_free_port_is_used_if_the_default_port_is_in_use():
    first = listen()
    second = listen()
    try:
        assert second.moved
        assert DEFAULT_PORT < second.access.port < DEFAULT_PORT + 20
        assert str(second.access.port) in second.url
    finally:
        first.socket.close()
        second.socket.close()


def test_a_custom_token_is_accepted():
    with started(ATTNSCOPE, "serve", "minilm", "--no-browser", "--port", "0", "--token", "my-own.token") as (_, url, _):
        assert url.endswith("/?token=my-own.token")
        with opened(url) as client:
            assert client.get("/").status_code in (200, 503)


def closed(listener: Listener) -> Listener:
    listener.socket.close()
    return listener


def test_the_server_listens_on_loopback_by_default():
    listener = listen(port=0)
    try:
        assert listener.socket.getsockname()[0] == "127.0.0.1"
    finally:
        listener.socket.close()


def test_a_wildcard_listener_accepts_the_connection_address_but_no_other_name():
    access = closed(listen("0.0.0.0", 0, "long-enough-token")).access
    port = access.port
    assert access.host_is(f"192.0.2.7:{port}", ("192.0.2.7", port))
    assert not access.host_is(f"192.0.2.8:{port}", ("192.0.2.7", port))
    assert not access.host_is(f"rebound.evil.com:{port}", ("192.0.2.7", port))
    assert access.host_is(f"127.0.0.1:{port}", ("127.0.0.1", port))


def test_a_listener_on_one_address_rejects_other_host_names():
    access = closed(listen("127.0.0.1", 0)).access
    assert not access.host_is(f"192.0.2.7:{access.port}", ("192.0.2.7", access.port))


def test_an_allowed_host_name_for_a_tunnel_is_accepted():
    access = closed(listen(port=0, allowed_hosts=("scope.example", "localhost:9000"))).access
    assert access.host_is(f"scope.example:{access.port}", None)
    assert access.host_is("localhost:9000", None)
    assert not access.host_is("scope.example:9000", None)
