"""The `generate` request and its responses: a `token` for each new one, and at the end the trace (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.generation.result import Generation, GenerationSettings, Step
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.preprocessor import no_target_side
from attnscope.session.jobs import Job
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import TokenFields
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
from attnscope.session.trace_store import InputText
from attnscope.trace import Trace
from attnscope.types import token_fields

MAX_NEW_TOKENS = 20
"""How many tokens are generated where the request does not say."""


class LikelyFields(TokenFields):
    """A token that was likely, with its probability."""

    probability: float


class StepFields(TypedDict):
    """A new token: what a `token` response says besides its index."""

    token: dict[str, Any]
    probability: float
    rank: int
    top: list[LikelyFields]


class GenerationFields(TypedDict):
    """What the closing `trace` response says of the generation, as `generation`."""

    text: str
    stopped: str
    prompt: int
    steps: list[StepFields]
    max_new_tokens: int
    sampling: dict[str, Any] | None
    stop: list[str]


@dataclass(frozen=True)
class GenerateRequest:
    """What is to be generated, read from a request and checked as far as that goes without the model.

    With `messages`, `text` is what they say together.
    """

    text: str
    messages: list[Turn] | None
    pair: str | None
    target: str | None
    settings: GenerationSettings

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> GenerateRequest:
        """Raises `InputError` for a field that is none, `TooLongError` for more than the limits allow."""
        messages = messages_of(body)
        text = text_of(body, "text") if messages is None else said_in(messages)
        pair, target = optional_text_of(body, "pair"), optional_text_of(body, "target")
        limits.check_text(text, pair, target)
        new = whole_of(body, "max_new_tokens")
        sampling = {name: number_of(body, name) for name in ("temperature", "top_p")}
        settings = GenerationSettings.of(
            MAX_NEW_TOKENS if new is None else new,
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            top_k=whole_of(body, "top_k"),
            seed=whole_of(body, "seed"),
            stop=texts_of(body, "stop"),
        )
        limits.check_new_tokens(settings.max_new_tokens)
        return cls(text, messages, pair, target, settings)

    @property
    def given(self) -> str | list[Turn]:
        """The text, or the messages of the chat."""
        return self.text if self.messages is None else self.messages

    def encode(self, model: ModelLike, limits: Limits) -> ModelInputs:
        """The prompt as the model reads it. Refuses what is too much for the session, or no input of this model."""
        if self.target is not None and model.kind != "encoder-decoder":
            raise InputError(no_target_side(model.title))
        prompt = model.encode(self.given, self.pair, target=self.target)
        tokens = model.count_tokens(prompt) + self.settings.max_new_tokens
        limits.check_tokens(tokens)
        limits.check_trace(trace_bytes(model, tokens))
        return prompt

    def run(self, model: ModelLike, prompt: ModelInputs, edits: Sequence[Edit], job: Job) -> Generation:
        """Generate, and send each token as soon as it is there."""
        sent = 0

        def on_token(step: Step) -> None:
            nonlocal sent
            job.tell("token", {"index": sent, **step_fields(step)})
            sent += 1

        return model.generate(prompt, edits=edits, on_token=on_token, observer=job, **self.settings.options())

    def input_text(self, prompt: ModelInputs, trace: Trace) -> InputText:
        """What the page is told of the input; of a chat, the text is what the template made of it."""
        text = self.text if self.messages is None else prompt.text or self.text
        return InputText(text, self.pair, self.target, InputText.of(trace).messages)


def generation_fields(made: Generation, settings: GenerationSettings) -> GenerationFields:
    """What the closing `trace` response says of the generation."""
    return {
        "text": made.text,
        "stopped": made.stopped,
        "prompt": len(made.trace.tokens) - len(made.tokens),
        "steps": [step_fields(step) for step in made.steps],
        "max_new_tokens": settings.max_new_tokens,
        "sampling": settings.described()["sampling"],
        "stop": list(settings.stop),
    }


def step_fields(step: Step) -> StepFields:
    """A new token as JSON values."""
    top: list[LikelyFields] = [
        {"text": token.text, "id": token.id, "probability": probability} for token, probability in step.top
    ]
    return {"token": token_fields(step.token), "probability": step.probability, "rank": step.rank, "top": top}
