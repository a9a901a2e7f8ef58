"""The traces of a session: the most recently used ones, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.edits import Edit
from attnscope.errors import InputError, MissingError, TooLongError, UnsupportedError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace
from attnscope.types import Observer


@dataclass(frozen=True)
class InputText:
    """The input of a trace, as a page shows it. `target` is None if the model generated its own, or has none.

    For a chat, `messages` are its messages, `text` is the output of the chat template, and `continue_final_message` says whether
    it ends within the last message.
    """

    text: str
    pair: str | None = None
    target: str | None = None
    messages: list[dict[str, Any]] | None = None
    continue_final_message: bool = False

    @classmethod
    def of(cls, trace: Trace) -> InputText:
        """Read the input from the trace's provenance. Without a text there, join the tokens instead."""
        tokens = [] if trace.images else next(iter(trace.sides.values()))
        words = " ".join(token.text.strip() for token in tokens)
        provenance = trace.provenance
        text, pair, target = (
            value if isinstance(value := provenance.get(name), str) else None for name in ("text", "pair", "target")
        )
        messages = provenance.get("messages")
        chat = messages if isinstance(messages, list) else None
        continued = chat is not None and provenance.get("continue_final_message") is True
        return cls(words if text is None else text, pair, target, chat, continued)


@dataclass(frozen=True, eq=False)
class StoredTrace:
    """A trace with its input and its model. `model` is None for a trace that was opened or passed without one.

    `inputs` are the model inputs that it was made from, if they were made here and are all that the model read.
    """

    trace: Trace
    model: ModelLike | None
    input: InputText
    inputs: ModelInputs | None = None

    def run_again(self, edits: Sequence[Edit], observer: Observer) -> Trace:
        """Run the model on the same input with other edits.

        Raises `UnsupportedError` without a model, and `InputError` for a trace that does not have its model inputs.
        """
        if self.model is None:
            raise UnsupportedError("This trace has no model, so it cannot be run again. Run the text again.")
        inputs = self.inputs if self.inputs is not None else self.trace.inputs
        if not inputs:
            raise InputError("This trace has no model inputs, so it cannot be run again. Run the text again.")
        return self.model.trace(inputs, edits=edits, observer=observer)

    @classmethod
    def without_model(cls, trace: Trace) -> StoredTrace:
        """A trace without its model."""
        return cls(trace, None, InputText.of(trace))

    @classmethod
    def of_saved(cls, trace: Trace, models: Iterable[ModelLike]) -> StoredTrace:
        """A saved trace with the first of these models that made it; without a model if none of them did."""
        for model in models:
            attached = model.attach(trace)
            if attached is not None:
                return cls(attached, model, InputText.of(attached))
        return cls.without_model(trace)


class TraceStore:
    """Traces by id. The least recently used is dropped first; the newest is always kept. Thread-safe."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._traces: OrderedDict[str, StoredTrace] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, trace_id: object) -> bool:
        with self._lock:
            return trace_id in self._traces

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def nbytes(self) -> int:
        """The size of all traces together, in bytes."""
        with self._lock:
            return self._nbytes()

    def add(self, stored: StoredTrace) -> None:
        """Store a trace, and drop the least recently used ones while the traces exceed the budget."""
        with self._lock:
            self._traces[stored.trace.id] = stored
            self._traces.move_to_end(stored.trace.id)
            while len(self._traces) > 1 and self._nbytes() > self._budget:
                self._traces.popitem(last=False)

    def add_saved(self, traces: Sequence[Trace], models: Sequence[ModelLike]) -> None:
        """Store the traces of a file, each with the model that made it, if that is one of `models`.

        A trace that is stored with its model already stays. Raises `TooLongError` if the traces exceed the budget.
        """
        size = sum(trace.nbytes for trace in traces)
        if size > self._budget:
            raise TooLongError(
                f"The traces of the file have {size:,} bytes, but this session stores at most {self._budget:,}. Open it in "
                "Python: `attnscope.open(path)`."
            )
        for trace in traces:
            with self._lock:
                known = self._traces.get(trace.id)
            if known is None or known.model is None:
                known = StoredTrace.of_saved(trace, models)
            self.add(known)

    def get(self, trace_id: str) -> StoredTrace:
        """The trace with this id. Raises `MissingError` if it was never stored, or has been dropped."""
        with self._lock:
            stored = self._traces.get(trace_id)
            if stored is None:
                raise MissingError(f"Trace {trace_id[:64]!r:.300} is no longer in this session. Run the text again.")
            self._traces.move_to_end(trace_id)
            return stored

    def _nbytes(self) -> int:
        return sum(stored.trace.nbytes for stored in self._traces.values())
