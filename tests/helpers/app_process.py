"""Run `attnscope …` and other servers as separate processes for tests that talk to them."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from helpers.session_requests import messages_in

START_SECONDS = 180.0
STOP_SECONDS = 20.0


@contextmanager
def running_app(*arguments: str, program: Path | None = None, path: str | None = None) -> Generator[str]:
    """Start `attnscope ARGUMENTS`, yield the URL that it prints (including its token), and stop it afterwards.

    `program` is the path of an `attnscope` other than this environment's; `path` replaces PATH. The process runs offline.
    """
    command = [str(program or Path(sys.executable).with_name("attnscope")), *arguments, "--no-browser", "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "PATH": path or os.environ["PATH"]}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        try:
            yield _address(command, lines)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def wait_until_loaded(url: str) -> None:
    """Wait until the app has loaded its own model, so that page tests do not have to."""
    base = url.partition("/?")[0]
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=base, headers={"origin": base}, timeout=START_SECONDS, follow_redirects=True) as client:
        client.get(url).raise_for_status()  # the token becomes a cookie
        while True:
            answer = client.post("/api", json={"v": 1, "id": "1", "type": "hello"})
            hello = list(messages_in(answer.raise_for_status().content))[-1].body
            if all(one["loaded"] for one in hello["models"] if one["name"] == hello["model"]):
                return
            if time.monotonic() > deadline:
                pytest.fail(f"The app did not load {hello['model']} within {START_SECONDS:.0f} s.")
            time.sleep(0.2)


def free_port() -> int:
    """A free port on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The server did not start. Its log:\n{log.read_text()}")
            time.sleep(0.2)


@contextmanager
def terminating(process: subprocess.Popen[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """Stop the process at the end of the block, giving it time to stop its own child processes."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _address(command: list[str], lines: queue.Queue[str | None]) -> str:
    output: list[str] = []
    while (line := lines.get(timeout=START_SECONDS)) is not None:
        output.append(line)
        if line.startswith("http://") and "?token=" in line:
            return line.strip()
    pytest.fail(f"`{' '.join(command)}` ended without printing its URL. Its output:\n{''.join(output)}")


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
