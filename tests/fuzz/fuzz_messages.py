"""Throw odd messages at a session, and odd bytes at its server.

    python tests/fuzz/fuzz_messages.py MESSAGES REQUESTS

prints JSON: how many were tried, and the faults. A fault is an `internal` error, no answer, an answer that nobody can read, a
server that does not answer valid requests afterwards, or a traceback in the log.
"""

from __future__ import annotations

import json
import logging
import math
import random
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers import tiny_models

import attnscope
from attnscope.errors import DamagedError
from attnscope.server.address import Listener, listen
from attnscope.server.body import BodyLimits
from attnscope.server.connections import ConnectionLimits
from attnscope.server.serve import LocalServer
from attnscope.session import Limits, ModelEntry, Session
from attnscope.wire import Message, decode, encode, message_from_fields

TEXTS = (
    "",
    " ",
    "a b",
    "\ud800",
    "x\udfff",
    "\x00",
    "🙂",
    "no such",
    "a " * 300,
    "decoder",
    "encoder",
    "linear",
    "q" * 3000,
)
NUMBERS = (-1, 0, 1, 2, 7, 10**9, 2**63, 10**40, 0.5, -0.0, 1e300, math.nan, math.inf)
KINDS = (
    "hello", "run", "generate", "patch", "states", "effect", "control", "edits", "trace", "overview", "layer", "tile",
    "values", "edge", "align", "check", "export", "save", "open", "cancel", "unheard-of",
)  # fmt: skip
FIELDS = (
    "text", "pair", "target", "messages", "cut", "edits", "model", "trace", "stack", "layer", "head", "heads", "rows", "query",
    "key", "filter", "page", "clean", "corrupted", "what", "by", "metric", "answer", "foil", "position", "positions", "layers",
    "top", "max_new_tokens", "temperature", "top_k", "top_p", "seed", "stop", "image", "last", "v", "id", "type",
    "baseline", "baseline_position", "over", "draws", "tokens",
    "traces", "current", "trail", "notes", "state", "file", "name", "title", "address",
)  # fmt: skip
VALID: dict[str, dict[str, Any]] = {
    "run": {"text": "a b c"},
    "generate": {"text": "a b", "max_new_tokens": 2},
    "patch": {"clean": "a b", "corrupted": "a c", "answer": 5},
    "states": {"answer": 5},
    "effect": {"top": 3},
    "control": {"answer": 5, "over": "heads", "tokens": [5]},
    "edits": {"edits": [{"type": "ScaleHead", "layer": 1, "head": 0, "factor": 0.5}]},
    "overview": {"stack": "decoder"},
    "layer": {"stack": "decoder", "layer": 1},
    "tile": {"stack": "decoder", "layer": 1, "heads": [0], "rows": [0]},
    "values": {"stack": "decoder", "layer": 1},
    "edge": {"stack": "decoder", "query": 1, "key": 0},
    "export": {"stack": "decoder", "layer": 1, "heads": [0]},
}


def odd(chance: random.Random, depth: int = 0) -> Any:
    """A random JSON value."""
    kind = chance.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return chance.choice(TEXTS)
    if kind < 4:
        return chance.choice(NUMBERS)
    if kind == 4:
        return chance.choice((None, True, False, [], {}))
    if kind == 5:
        return "".join(
            chr(chance.choice((chance.randrange(0x110000), 0xD800, 0x41))) for _ in range(chance.randrange(6))
        )
    if kind == 6:
        edit = {"type": chance.choice(("ScaleHead", "CutEdge", "AddVector", "PatchHead", "Nothing"))}
        return [
            {**edit, **{name: odd(chance, depth + 1) for name in ("layer", "head", "query", "key", "factor", "source")}}
        ]
    if kind == 7:
        return [odd(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {
        chance.choice((*FIELDS, "role", "content", *TEXTS)): odd(chance, depth + 1) for _ in range(chance.randrange(4))
    }


def odd_fields(chance: random.Random, trace: str) -> dict[str, Any]:
    """The fields of a request that is valid but for one to three of them."""
    kind = chance.choice(KINDS)
    fields = {"v": 1, "id": "1", "type": kind, "trace": trace, "baseline": trace, **VALID.get(kind, {})}
    if kind == "save":
        fields |= {"traces": [trace], "current": trace}
    if kind == "generate" and chance.random() < 0.7:  # otherwise the trace is continued
        del fields["trace"]
    elif kind == "generate":
        del fields["text"]
    for _ in range(chance.randrange(1, 4)):
        fields[chance.choice(FIELDS)] = odd(chance)
    return fields


def odd_session(chance: random.Random, tries: int) -> list[str]:
    """Answer odd messages; returns the faults."""
    session = new_session()
    traces = run(session), run(session, edits=[{"type": "CutEdge", "layer": 1, "head": 0, "query": 3, "key": 1}])
    faults: list[str] = []
    for _ in range(tries):
        fields = odd_fields(chance, chance.choice(traces))
        answers: list[bytes] = []
        try:
            if chance.random() < 0.8:
                session.answer(message_from_fields(fields), answers.append)
            else:
                session.respond(mutated(chance, encode(Message("run", "1", {"text": "a b"}))), answers.append)
            last = decode(answers[-1]) if answers else None
        except DamagedError:
            continue  # refused before it reaches the session, with a sentence
        except Exception as error:  # noqa: BLE001 - any other exception is a fault
            faults.append(f"{fields!r:.300}: {type(error).__name__}: {error!s:.200}")
            continue
        faults += faults_of(last, f"{fields!r:.300}")
    return faults


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Bytes with some of them changed, cut off or added."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(changed))
        changed[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        changed = changed or bytearray(b"\0")
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.2 else changed)


def faults_of(last: Message | None, what: str) -> list[str]:
    if last is None:
        return [f"{what}: no answer"]
    if last.type == "error":
        text = str(last.body["message"])
        if last.body["code"] == "internal" or not 10 <= len(text) <= 2000:
            return [f"{what}: {last.body!r:.300}"]
    return []


def odd_request(chance: random.Random, port: int, cookie: str, trace: str) -> bytes:
    """The bytes of an HTTP request, most of them with something wrong."""
    body = json.dumps(odd_fields(chance, trace)).encode()
    kind = "application/json"
    if chance.random() < 0.3:
        body, kind = mutated(chance, encode(Message("run", "1", {"text": "a b"}))), "application/x-safetensors"
    method = chance.choice(("POST", "POST", "POST", "GET", "HEAD", "PUT", "OPTIONS", "X" * 300))
    path = chance.choice(
        ("/api", "/api", "/api", "/", "/static/app.js", "/?token=x", "/" + "a" * 9000, "*", "//x", "/%00")
    )
    lines = [f"{method} {path} HTTP/1.{chance.choice('1110')}", f"Host: 127.0.0.1:{port}"]
    lines += [f"Cookie: {cookie}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    for _ in range(chance.randrange(3)):
        name = chance.choice(
            ("Host", "Cookie", "Content-Length", "Transfer-Encoding", "Origin", "Sec-Fetch-Site", "Expect", "é")
        )
        value = chance.choice(
            ("", "-1", "chunked", "99999999999999999999", "null", "same-origin", "100-continue", "\x7f", "a" * 70000)
        )
        lines.insert(chance.randrange(1, len(lines) + 1), f"{name}: {value}")
    if chance.random() < 0.3:
        del lines[chance.randrange(len(lines))]
    data = "\r\n".join([*lines, "", ""]).encode("utf-8") + body
    return mutated(chance, data) if chance.random() < 0.3 else data


def odd_server(chance: random.Random, tries: int) -> list[str]:
    """Send odd bytes to a server, with an answer to a valid request after every twentieth; returns the faults."""
    faults: list[str] = []
    with served() as (listener, trace):
        port = listener.access.port
        cookie = f"{listener.access.cookie_name}={listener.access.script_cookie}"
        for at in range(tries):
            data = odd_request(chance, port, cookie, trace)
            answer = sent(port, data)
            status = answer.split(b" ", 2)[1:2]
            guarded = b"\r\ncontent-security-policy:" in answer.lower() or answer.startswith(b"HTTP/1.1 100")
            if answer and (status in ([], [b"500"]) or not guarded):
                faults.append(f"{data!r:.400}: {answer!r:.300}")
            if at % 20 == 19:
                hello = json.dumps({"v": 1, "id": "1", "type": "hello"})
                lines = ["POST /api HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: {cookie}", "Connection: close"]
                lines += ["Content-Type: application/json", f"Content-Length: {len(hello)}", "", hello]
                valid = sent(port, "\r\n".join(lines).encode())
                if not valid.startswith(b"HTTP/1.1 200"):
                    faults.append(f"after {data!r:.200}: a valid request got {valid!r:.200}")
    return faults


def sent(port: int, data: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection; nothing if it resets it."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            return received
    return received


def new_session() -> Session:
    model = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer(), name="tiny")
    limits = Limits(tokens=64, new_tokens=4, patched_tokens=2000)
    return Session([ModelEntry.loaded(model)], limits=limits)


def run(session: Session, **more: Any) -> str:
    """The id of a new trace."""
    answers: list[bytes] = []
    session.answer(Message("run", "1", {"text": "a b c d e", **more}), answers.append)
    return str(decode(answers[-1]).body["trace"])


@contextmanager
def served() -> Generator[tuple[Listener, str]]:
    session, listener, up = new_session(), listen(port=0), threading.Event()
    server = LocalServer(
        session,
        listener,
        on_listening=up.set,
        body_limits=BodyLimits(200_000, 0.2, bytes_with_tensors=200_000, seconds_with_tensors=0.2),
        connection_limits=ConnectionLimits(seconds=0.2),
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert up.wait(60)
        yield listener, run(session)
    finally:
        server.stop()
        thread.join(60)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def main() -> None:
    messages, requests = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    log = _Log()
    for name in ("attnscope", "uvicorn.error", "asyncio"):
        logging.getLogger(name).addHandler(log)
        logging.getLogger(name).propagate = False
    faults = odd_session(random.Random(0), messages) + odd_server(random.Random(1), requests)
    faults += [f"log: {line:.600}" for line in log.lines]
    sys.stdout.write(json.dumps({"messages": messages, "requests": requests, "faults": faults}))


if __name__ == "__main__":
    main()
