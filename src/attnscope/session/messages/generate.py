"""The `generate` request and its responses: a `token` for each new token, then the trace (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from PIL import Image

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
    continues_message,
    integer_of,
    messages_of,
    number_of,
    optional_text_of,
    prompt_of,
    texts_of,
)
from attnscope.session.messages.image import check_prompt, check_takes, image_of
from attnscope.session.messages.trace import trace_bytes
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText
from attnscope.trace import Trace
from attnscope.types import Observer, token_fields

DEFAULT_NEW_TOKENS = 20
"""The number of tokens to generate if the request does not specify it."""

_INPUT = ("text", "messages", "image", "pair", "target", "continue_final_message")
"""Fields that a request has instead of a trace."""


class LikelyFields(TokenFields):
    """A likely token with its probability."""

    probability: float


class StepFields(TypedDict):
    """A new token: the fields of a `token` response, apart from its index."""

    token: dict[str, Any]
    probability: float
    rank: int
    top: list[LikelyFields]


class GenerationFields(TypedDict):
    """The field `generation` of the final `trace` response."""

    text: str
    stopped: str
    prompt: int
    steps: list[StepFields]
    max_new_tokens: int
    sampling: dict[str, Any] | None
    stop: list[str]


@dataclass(frozen=True)
class GenerateRequest:
    """A `generate` request, with everything checked that can be checked without the model.

    For a chat, `messages` are its messages and `text` is their joined content. With an `image`, the text may be empty.
    """

    text: str
    messages: list[Turn] | None
    pair: str | None
    target: str | None
    settings: GenerationSettings
    image: Image.Image | None = None
    continue_final_message: bool = False

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> GenerateRequest:
        """Read a request. Raises `InputError` for an invalid field, and `TooLongError` above the limits."""
        image, messages = image_of(body, "image", limits), messages_of(body)
        text = prompt_of(body, "text", messages, image)
        pair, target = optional_text_of(body, "pair"), optional_text_of(body, "target")
        check_prompt(text, pair, target, image, limits)
        return cls(text, messages, pair, target, settings_of(body, limits), image, continues_message(body))

    @property
    def prompt(self) -> str | list[Turn] | None:
        """The text, or the messages of the chat; None for an image without a text."""
        return (self.text or None) if self.messages is None else self.messages

    def encode(self, model: ModelLike, limits: Limits, observer: Observer) -> ModelInputs:
        """The prompt as model inputs.

        Raises `TooLongError` above the session's limits, and `InputError` if the model does not accept this input.
        """
        check_takes(model, self.text, self.image)
        if self.target is not None and model.kind != "encoder-decoder":
            raise InputError(no_target_side(model.title))
        prompt = model.encode(
            self.prompt,
            self.pair,
            target=self.target,
            image=self.image,
            continue_final_message=self.continue_final_message,
            observer=observer,
        )
        tokens = model.count_tokens(prompt) + self.settings.max_new_tokens
        limits.check_tokens(tokens)
        limits.check_trace(trace_bytes(model, tokens))
        return prompt

    def run(self, model: ModelLike, prompt: ModelInputs, edits: Sequence[Edit], job: Job) -> Generation:
        """Generate, and send each token as soon as it is known."""
        return generated(model, prompt, edits, self.settings, job)

    def input_text(self, prompt: ModelInputs, trace: Trace) -> InputText:
        """The input as the page shows it. For a chat, the text is the output of the chat template."""
        text = self.text if self.messages is None else prompt.text or self.text
        return InputText(text, self.pair, self.target, InputText.of(trace).messages, self.continue_final_message)


@dataclass(frozen=True)
class ContinueRequest:
    """A `generate` request that continues the pass of a trace, with everything checked that can be checked without the model."""

    settings: GenerationSettings

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> ContinueRequest:
        """Read a request. Raises `InputError` for an invalid field, and `TooLongError` above the limits."""
        other = next((name for name in _INPUT if body.get(name) is not None), None)
        if other is not None:
            raise InputError(f"A `trace` is continued with its own input. Pass either `trace` or `{other}`, not both.")
        return cls(settings_of(body, limits))

    def check(self, model: ModelLike, trace: Trace, limits: Limits) -> None:
        """Raise `TooLongError` if the new trace would be too long for the session."""
        tokens = max(len(side) for side in trace.sides.values()) + self.settings.max_new_tokens
        limits.check_tokens(tokens)
        limits.check_trace(trace_bytes(model, tokens))

    def run(self, model: ModelLike, trace: Trace, edits: Sequence[Edit] | None, job: Job) -> Generation:
        """Continue the trace (for edits of None, with its own), and send each token as soon as it is known."""
        return generated(model, trace, edits, self.settings, job)

    def input_text(self, before: InputText, trace: Trace) -> InputText:
        """The input as the page shows it: that of the trace `before`, whose chat may have grown."""
        return replace(before, messages=InputText.of(trace).messages)


def settings_of(body: Mapping[str, Any], limits: Limits) -> GenerationSettings:
    """The settings of a request. Raises `InputError` for an invalid one, and `TooLongError` for too many tokens."""
    new = integer_of(body, "max_new_tokens")
    sampling = {name: number_of(body, name) for name in ("temperature", "top_p")}
    settings = GenerationSettings.of(
        DEFAULT_NEW_TOKENS if new is None else new,
        temperature=sampling["temperature"],
        top_p=sampling["top_p"],
        top_k=integer_of(body, "top_k"),
        seed=integer_of(body, "seed"),
        stop=texts_of(body, "stop"),
    )
    limits.check_new_tokens(settings.max_new_tokens)
    return settings


def generated(
    model: ModelLike,
    prompt: ModelInputs | Trace,
    edits: Sequence[Edit] | None,
    settings: GenerationSettings,
    job: Job,
) -> Generation:
    """Generate, and send each token as soon as it is known."""
    sent = 0

    def on_token(step: Step) -> None:
        nonlocal sent
        job.send_partial("token", {"index": sent, **step_fields(step)})
        sent += 1

    return model.generate(prompt, edits=edits, on_token=on_token, observer=job, **settings.options())


def generation_fields(made: Generation, settings: GenerationSettings) -> GenerationFields:
    """The field `generation` of the final `trace` response."""
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
    """A new token's JSON fields."""
    top: list[LikelyFields] = [
        {"text": token.text, "id": token.id, "probability": probability} for token, probability in step.top
    ]
    return {"token": token_fields(step.token), "probability": step.probability, "rank": step.rank, "top": top}
