"""The part of a file that compares its pass with a baseline, and the baseline itself.

What both passes have in common, such as the layers below the first change, is written once: a message of the baseline that
equals that of the current pass is omitted, and its layer is listed (docs/reference/wire.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from attnscope.errors import InputError
from attnscope.offline.choice import Choice
from attnscope.offline.parts import Part, answers, changed, parts, responses_to
from attnscope.session import Session
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence
from attnscope.wire import Message, encode

PREFIX = "baseline"
"""The first word of the names of the baseline's parts."""

Shared = dict[str, list[int]]
"""For each name of parts without the layer, such as `layer decoder`: the layers whose messages are those of the current pass."""


class CommonMessages:
    """Finds the messages of the baseline that equal those of the current pass."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, int], str] = {}
        self.shared: Shared = {}

    def add(self, part: Part) -> None:
        """Remember a part of the current pass."""
        for message in part.messages:
            if "layer" in message.body:
                self._written[part.name, message.body["layer"]] = _digest(message)

    def rest(self, part: Part) -> Part | None:
        """A part of the baseline without the messages that are written already; None if nothing is left."""
        kept: list[Message] = []
        for message in part.messages:
            layer = message.body.get("layer")
            if layer is not None and self._written.get((part.name, layer)) == _digest(message):
                self.shared.setdefault(part.name.removesuffix(f" {layer}"), []).append(layer)
            else:
                kept.append(message)
        if not kept:
            return None
        kept[-1] = changed(kept[-1], last=True)
        return replace(part, name=f"{PREFIX} {part.name}", messages=kept)


def check_baseline(trace: Trace, baseline: object) -> None:
    """Raise `InputError` unless the baseline is another trace, of which something corresponds."""
    if not isinstance(baseline, Trace):
        raise InputError(
            f"`baseline` must be a Trace; got {type(baseline).__name__}. Make one with `model.trace(text)`, without the edits."
        )
    if baseline.id == trace.id:
        raise InputError("`baseline` is the same trace, so there is nothing to compare.")
    Correspondence.of(trace, baseline)


def compared_parts(
    session: Session, trace: Trace, baseline: Trace, chosen: Choice, common: CommonMessages
) -> Iterator[Part]:
    """The alignment, the effect, and what the baseline does not share with the trace."""
    pair = {"trace": trace.id, "baseline": baseline.id}
    [alignment] = answers(session, "align", **pair)
    yield Part("align", [alignment])
    yield Part("effect", responses_to(session, "effect", **pair)[-1:])
    for part in parts(session, baseline, chosen):
        rest = common.rest(part)
        if rest is not None:
            yield rest


def _digest(message: Message) -> str:
    """A hash of everything in a message but the id of its trace and whether it is the last one."""
    return hashlib.sha256(encode(changed(message, trace="", last=True))).hexdigest()
