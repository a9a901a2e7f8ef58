"""What a `run` asks for: a text or a chat, perhaps with a second sentence or a target, perhaps cut to what the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.edits import Edit
from attnscope.errors import TooLongError
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import Turn, messages_of, optional_text_of, said_in, text_of
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import HeldTrace
from attnscope.trace import Trace
from attnscope.types import Observer


@dataclass(frozen=True)
class RunRequest:
    """The input of a run. With `messages`, `text` is what they say together."""

    text: str
    pair: str | None
    target: str | None
    messages: list[Turn] | None
    cut: bool

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> RunRequest:
        """The fields of a request. Raises `InputError` for what is none, `TooLongError` for what is too long as text."""
        messages = messages_of(body)
        text = text_of(body, "text") if messages is None else said_in(messages)
        made = cls(
            text, optional_text_of(body, "pair"), optional_text_of(body, "target"), messages, body.get("cut") is True
        )
        limits.check_text(made.text, made.pair, made.target)
        return made

    def tokens(self, model: ModelLike, limits: Limits) -> tuple[int, int | None]:
        """How many positions the trace will have, and to how many tokens the text is to be cut (None: it is not).

        Raises `TooLongError` where there are too many and nobody asked to cut; its `fits` are those that there may be.
        """
        try:
            return self._counted(model, limits, None), None
        except TooLongError as error:
            if error.fits is None or self.messages is not None:  # a chat is not cut: its template would break
                raise TooLongError(str(error)) from error
            most = min(error.fits, limits.tokens)
            if not self.cut:
                raise TooLongError(str(error), fits=most) from error
        return self._counted(model, limits, most), most

    def trace(self, model: ModelLike, max_tokens: int | None, edits: Sequence[Edit], observer: Observer) -> Trace:
        """One pass."""
        if self.messages is not None:
            return model.trace(self.messages, target=self.target, max_tokens=max_tokens, edits=edits, observer=observer)
        return model.trace(
            self.text, self.pair, target=self.target, max_tokens=max_tokens, edits=edits, observer=observer
        )

    def held(self, trace: Trace, model: ModelLike) -> HeldTrace:
        """The trace of this input; of a chat or a cut text, the text is the one that the trace knows."""
        known = trace.provenance.get("text")
        return HeldTrace(trace, model, known if isinstance(known, str) else self.text, self.pair, self.target)

    def _counted(self, model: ModelLike, limits: Limits, most: int | None) -> int:
        given = self.text if self.messages is None else self.messages
        tokens = model.count_tokens(given, self.pair, target=self.target, max_tokens=most)
        limits.check_tokens(tokens)
        return tokens
