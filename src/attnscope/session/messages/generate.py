"""The `generate` request and its responses: a `token` for each new one, and at the end the trace (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.generation.result import Generation, Step, Wanted
from attnscope.session.jobs import Job
from attnscope.session.limits import Limits
from attnscope.session.messages.fields import (
    Turn,
    messages_of,
    number_of,
    optional_text_of,
    said_in,
    text_of,
    texts_of,
    whole_of,
)
from attnscope.session.messages.trace import trace_bytes
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import HeldTrace
from attnscope.trace import Trace
from attnscope.types import Token, token_fields

MAX_NEW_TOKENS = 20
"""How many tokens are generated where the request does not say."""


@dataclass(frozen=True)
class GenerateRequest:
    """What is to be generated, read from a request and checked as far as that goes without the model.

    With `messages`, `text` is what they say together.
    """

    text: str
    messages: list[Turn] | None
    pair: str | None
    target: str | None
    wanted: Wanted

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> GenerateRequest:
        """Raises `InputError` for a field that is none, `TooLongError` for more than the limits allow."""
        messages = messages_of(body)
        text = text_of(body, "text") if messages is None else said_in(messages)
        pair, target = optional_text_of(body, "pair"), optional_text_of(body, "target")
        limits.check_text(text, pair, target)
        new = whole_of(body, "max_new_tokens")
        sampling = {name: number_of(body, name) for name in ("temperature", "top_p")}
        wanted = Wanted.of(
            MAX_NEW_TOKENS if new is None else new,
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            top_k=whole_of(body, "top_k"),
            seed=whole_of(body, "seed"),
            stop=texts_of(body, "stop"),
        )
        limits.check_new_tokens(wanted.max_new_tokens)
        return cls(text, messages, pair, target, wanted)

    @property
    def given(self) -> str | list[Turn]:
        """The text, or the messages of the chat."""
        return self.text if self.messages is None else self.messages

    def check(self, model: ModelLike, limits: Limits) -> None:
        """Refuse what is too much for the session, or no input of this model, before it runs."""
        if self.target is not None and model.kind != "encoder-decoder":
            raise InputError(f"{model.title} has no target side: `target` goes with encoder-decoder models.")
        tokens = model.count_tokens(self.given, self.pair, target=self.target) + self.wanted.max_new_tokens
        limits.check_tokens(tokens)
        limits.check_trace(trace_bytes(model, tokens))

    def run(self, model: ModelLike, edits: Sequence[Edit], job: Job) -> Generation:
        """Generate, and send each token as soon as it is there."""
        sent = 0

        def on_token(step: Step) -> None:
            nonlocal sent
            job.tell("token", {"index": sent, **step_fields(step)})
            sent += 1

        return model.generate_wanted(
            self.given, self.wanted, pair=self.pair, target=self.target, edits=edits, on_token=on_token, observer=job
        )

    def held(self, trace: Trace, model: ModelLike) -> HeldTrace:
        """The trace of this input; of a chat, the text is the one that the trace knows."""
        known = trace.provenance.get("text") if self.messages is not None else None
        return HeldTrace(trace, model, known if isinstance(known, str) else self.text, self.pair, self.target)


def generation_fields(made: Generation, wanted: Wanted) -> dict[str, Any]:
    """What the closing `trace` response says of the generation."""
    return {
        "text": made.text,
        "stopped": made.stopped,
        "prompt": len(made.trace.tokens) - len(made.tokens),
        "steps": [step_fields(step) for step in made.steps],
        **wanted.described(),
    }


def step_fields(step: Step) -> dict[str, Any]:
    """A new token as JSON values."""
    top = [{**_short(token), "probability": probability} for token, probability in step.top]
    return {"token": token_fields(step.token), "probability": step.probability, "rank": step.rank, "top": top}


def _short(token: Token) -> dict[str, Any]:
    return {"text": token.text, "id": token.id}
