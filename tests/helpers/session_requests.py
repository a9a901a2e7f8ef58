"""Send requests to a session as a host does: bytes in, messages out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from attnscope.session import Session
from attnscope.wire import Message, decode, encode


def ask(
    session: Session,
    *,
    disconnected: Callable[[], bool] = lambda: False,
    tensors: Mapping[str, np.ndarray] | None = None,
    **fields: object,
) -> list[Message]:
    responses: list[Message] = []
    body = {"type": "", "id": "1", **fields}
    kind, ident = str(body.pop("type")), str(body.pop("id"))
    session.respond(
        encode(Message(kind, ident, body, tensors or {})),
        lambda data: responses.append(decode(data)),
        disconnected=disconnected,
    )
    assert all(response.id == ident for response in responses)
    assert [response.body["last"] for response in responses] == [False] * (len(responses) - 1) + [True]
    return responses


def error_of(responses: list[Message]) -> tuple[str, str]:
    assert responses[-1].type == "error"
    return responses[-1].body["code"], responses[-1].body["message"]


@dataclass
class LayerGate:
    """Blocks a pass at a layer: `reached` is set when it gets there, `open` lets it continue, `passes` counts the passes."""

    at: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    passes: int = 0

    def __call__(self, layer: int) -> None:
        if layer == self.at:
            self.passes += 1
            self.reached.set()
            assert self.open.wait(30)


def messages_in(stream: bytes) -> Iterator[Message]:
    """The messages in a stream of frames, decoded as in docs/reference/wire.md."""
    while stream:
        length = int.from_bytes(stream[:8], "little")
        assert len(stream) >= 8 + length
        yield decode(stream[8 : 8 + length])
        stream = stream[8 + length :]
