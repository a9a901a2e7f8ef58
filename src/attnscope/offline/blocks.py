"""The data of an offline page: for each request that the page can make, the messages that answer it (docs/reference/wire.md).

A block is a compressed stream of messages, framed as over HTTP, and is named after its request.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from attnscope.offline.choice import Choice
from attnscope.offline.comparison import CommonMessages, Comparison, compared_parts, limits_of
from attnscope.offline.parts import Part, answers, changed, parts
from attnscope.session import Session, StoredTrace
from attnscope.trace import Trace
from attnscope.wire import encode, frame

_THOROUGH_BYTES = 2**18
_CAN = ("trace", "overview", "layer", "edge")
_CAN_COMPARE = ("align", "effect")
_ORDER = ("trace", "overview", "layer", "values", "edge", "align", "effect")


@dataclass(frozen=True)
class Block:
    """A compressed stream of messages. `error` is the largest error of a weight in it; `vectors` is whether it has q and k."""

    name: str
    data: bytes
    error: float = 0.0
    vectors: bool = False


def blocks(trace: Trace, chosen: Choice, comparison: Comparison | None = None) -> Iterator[Block]:
    """The blocks of a file. Those that the page needs first come first."""
    baseline = None if comparison is None else comparison.baseline
    traces = [trace] if baseline is None else [trace, baseline]
    session = Session(traces=[StoredTrace.without_model(one) for one in traces], limits=limits_of(*traces))
    can, error, common = set(_CAN), 0.0, CommonMessages()
    for part in parts(session, trace, chosen, baseline):
        error = max(error, part.error)
        can |= {"values"} if part.name.startswith("values ") else set()
        if baseline is not None:
            common.add(part)
        yield _block(part)
    file: dict[str, Any] = {"error": error}
    if comparison is not None:
        can |= set(_CAN_COMPARE)
        for part in compared_parts(session, comparison, trace, chosen, common):
            file["error"] = max(file["error"], part.error)
            yield _block(part)
        file["baseline"] = {"trace": comparison.baseline.id, "shared": common.shared}
    [hello] = answers(session, "hello")
    yield _block(Part("hello", [changed(hello, can=sorted(can, key=_ORDER.index), examples=[], file=file)]))


def _block(part: Part) -> Block:
    stream = b"".join(frame(encode(message)) for message in part.messages)
    # Level 9 saves 1% and takes five times as long, so only small blocks use it.
    packer = zlib.compressobj(9 if len(stream) <= _THOROUGH_BYTES else 6, zlib.DEFLATED, 31, 9)
    return Block(part.name, packer.compress(stream) + packer.flush(), part.error, part.vectors)
