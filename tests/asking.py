"""Asking a session as a host does: bytes in, messages out."""

from __future__ import annotations

import threading

from attnscope.session import Session
from attnscope.wire import Message, decode, encode


def ask(session: Session, *, gone=lambda: False, **fields: object) -> list[Message]:
    responses: list[Message] = []
    body = {"type": "", "id": "1", **fields}
    kind, ident = str(body.pop("type")), str(body.pop("id"))
    session.respond(encode(Message(kind, ident, body)), lambda data: responses.append(decode(data)), gone=gone)
    assert all(response.id == ident for response in responses)
    assert [response.body["last"] for response in responses] == [False] * (len(responses) - 1) + [True]
    return responses


def error(responses: list[Message]) -> tuple[str, str]:
    assert responses[-1].type == "error"
    return responses[-1].body["code"], responses[-1].body["message"]


class Gate:
    """Holds a pass at its first layer."""

    def __init__(self) -> None:
        self.reached, self.open, self.passes = threading.Event(), threading.Event(), 0

    def __call__(self, layer: int) -> None:
        if layer == 0:
            self.passes += 1
            self.reached.set()
            assert self.open.wait(30)
