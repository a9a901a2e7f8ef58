"""The traces that a session holds: the ones looked at last, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from attnscope.errors import MissingError
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace


@dataclass(frozen=True)
class InputText:
    """What a trace was made from, as a page shows it. `target` is None where the model wrote its own, or has none.

    `messages` are those of a chat; `text` is then what the template made of them.
    """

    text: str
    pair: str | None = None
    target: str | None = None
    messages: list[dict[str, Any]] | None = None

    @classmethod
    def of(cls, trace: Trace) -> InputText:
        """As far as the trace itself knows; else the words of its tokens, in the place of the text."""
        tokens = [] if trace.images else next(iter(trace.sides.values()))
        words = " ".join(token.text.strip() for token in tokens)
        said = trace.provenance
        text, pair, target = (
            one if isinstance(one := said.get(name), str) else None for name in ("text", "pair", "target")
        )
        messages = said.get("messages")
        return cls(words if text is None else text, pair, target, messages if isinstance(messages, list) else None)


@dataclass(frozen=True, eq=False)
class HeldTrace:
    """A trace with what it was made from. `model` is None for a trace that came from elsewhere."""

    trace: Trace
    model: ModelLike | None
    input: InputText

    @classmethod
    def alone(cls, trace: Trace) -> HeldTrace:
        """A trace without its model."""
        return cls(trace, None, InputText.of(trace))


class TraceStore:
    """Traces by id. The one not looked at for longest goes first; the newest always stays. Safe between threads."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held: OrderedDict[str, HeldTrace] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def nbytes(self) -> int:
        """Bytes that all traces together hold."""
        with self._lock:
            return self._nbytes()

    def add(self, held: HeldTrace) -> None:
        """Keep a trace, and let go of the oldest where the budget asks for it."""
        with self._lock:
            self._held[held.trace.id] = held
            self._held.move_to_end(held.trace.id)
            while len(self._held) > 1 and self._nbytes() > self._budget:
                self._held.popitem(last=False)

    def get(self, trace_id: str) -> HeldTrace:
        """The trace of this id. Raises `MissingError` where it is not, or no longer, here."""
        with self._lock:
            held = self._held.get(trace_id)
            if held is None:
                raise MissingError(f"This session does not hold trace {trace_id[:64]!r} any more: run the text again.")
            self._held.move_to_end(trace_id)
            return held

    def _nbytes(self) -> int:
        return sum(held.trace.nbytes for held in self._held.values())
