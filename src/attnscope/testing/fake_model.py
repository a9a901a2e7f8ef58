"""A model without weights, for tests of code that talks to a session: words are tokens, numbers come from a seed.

Its traces are real `Trace` objects: small, instant, and the same for the same text. `on_layer` is called before each layer, so
that a test can block a pass there or make it fail.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from attnscope.attention import LayerRecord, Mask, QKRecord
from attnscope.edits import Edit, ScaleHead
from attnscope.edits.validation import resolved, shape_of, stack_of
from attnscope.errors import CancelledError, InputError, TooLongError
from attnscope.model.effects.control import Control, OnResult
from attnscope.model.effects.control_kinds import ControlKinds
from attnscope.model.effects.effect import Effect
from attnscope.model.effects.full_prediction import FullPrediction
from attnscope.model.generation.result import Generation, OnToken, Step
from attnscope.model.inputs.chat import TextOrChat
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.traced_input import traced_input
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.model import ADAPTER_OFF
from attnscope.model.patching.sweep import Sweep
from attnscope.model.residual_stream.states import States
from attnscope.model.tracing.changes import Changes, changes_in
from attnscope.testing.fake_effects import fake_control, fake_control_kinds, fake_effect, fake_prediction
from attnscope.testing.fake_results import fake_states, fake_sweep
from attnscope.trace import Certificate, LayerCertificate, Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import LayerShape, Observer, Sentence, Stack, Token


def _plain_text(text: TextOrChat) -> str:
    return text if isinstance(text, str) else " ".join(str(turn["content"]) for turn in text)


def _nothing(_layer: int) -> None:
    pass


@dataclass(frozen=True)
class FakeModel:
    """A model without weights that takes the place of an `attnscope.Model` in tests.

    Texts are split into words at whitespace, one token per word. Query, key and value vectors are random numbers seeded by the
    text.

    Attributes:
        name: The name of the model.
        title: The name for display.
        kind: `decoder`, `encoder` or `encoder-decoder`.
        layers: Layers per stack.
        heads: Query heads per layer.
        kv_heads: Key and value heads per layer.
        head_dim: Size of query, key and value vectors.
        max_tokens: The largest number of tokens that `count_tokens` accepts.
        chat: Whether the model has a chat template.
        on_layer: Called with the layer before each layer of a pass.
        takes: The kinds of input that the model accepts.
        adapter: Whether the model has an adapter.
    """

    name: str = "fake"
    title: str = "Fake model"
    kind: str = "decoder"
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 8
    max_tokens: int = 2048
    chat: bool = False
    on_layer: Callable[[int], None] = _nothing
    takes: tuple[str, ...] = ("text",)
    adapter: bool = False
    dtype: str = field(default="float32", init=False)
    quantization: str | None = field(default=None, init=False)
    parameters: int = field(default=0, init=False)

    @property
    def stacks(self) -> dict[str, Stack]:
        """One stack named after the kind; for an encoder-decoder model, three stacks of the same size."""
        shape = LayerShape(self.heads, self.kv_heads, self.head_dim, self.head_dim)
        return {name: Stack.of([shape] * self.layers) for name in self._sides}

    @property
    def _sides(self) -> dict[str, tuple[str, str]]:
        """The sides of each stack's queries and keys."""
        if self.kind != "encoder-decoder":
            return {self.kind: ("text", "text")}
        return {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}

    def without_adapter(self) -> FakeModel:
        """The same model under another name. Raises `InputError` without an adapter."""
        if not self.adapter:
            raise InputError(f"{self.title} has no adapter.")
        return replace(self, name=f"{self.name}{ADAPTER_OFF}", title=f"{self.title}{ADAPTER_OFF}", adapter=False)

    def encode(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: str | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        continue_final_message: bool = False,
        observer: Observer | None = None,
    ) -> ModelInputs:
        """Encode a text as one token per word. Raises `InputError` for an image, and `CancelledError`."""
        if image is not None:
            raise InputError(f"{self.title} does not accept images; got {type(image).__name__}.")
        if observer is not None and observer.cancelled():
            raise CancelledError("The input was not encoded, because the work was cancelled.")
        messages = None if isinstance(text, str) else [dict(turn) for turn in text]
        plain = " ".join(_plain_text(text).split()[:max_tokens])
        parts: list[tuple[Sentence, str]] = [(None, plain)] if pair is None else [("A", plain), ("B", pair)]
        tokens = [token for sentence, part in parts for token in _words(part, sentence)]
        target_tokens = None if target is None else _words(target, None)
        return ModelInputs(
            {},
            tokens,
            [],
            plain,
            pair,
            messages,
            target,
            target_tokens,
            kind="chat" if messages else "text",
            continue_final_message=continue_final_message,
        )

    def count_tokens(self, text: ModelInputs) -> int:
        """The number of tokens of the longer side. Raises `TooLongError` if there are more than `max_tokens`."""
        tokens = max(len(side) for side in text.sides.values())
        if tokens > self.max_tokens:
            raise TooLongError(
                f"The text has {tokens:,} tokens, but {self.title} accepts at most {self.max_tokens:,}.",
                fits=self.max_tokens,
            )
        return tokens

    def trace(
        self,
        text: TextOrChat | ModelInputs | Mapping[str, Tensor],
        pair: str | None = None,
        *,
        target: str | None = None,
        continue_final_message: bool = False,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace:
        """Return a trace whose q, k and v depend only on the text. The default target is the source in reverse.

        Raises `InputError` for tensors.
        """
        if isinstance(text, Mapping):
            raise InputError("A fake model has no tensors as inputs. Pass a text.")
        encoded = (
            text
            if isinstance(text, ModelInputs)
            else self.encode(text, pair, target=target, continue_final_message=continue_final_message)
        )
        plain, pair, target = encoded.text, encoded.pair, encoded.target
        sides = {"text": encoded.tokens}
        if self.kind == "encoder-decoder":
            sides = {"source": encoded.tokens, "target": encoded.target_tokens or encoded.tokens[::-1]}
        lengths = {name: (sides[query], sides[key]) for name, (query, key) in self._sides.items()}
        made = [resolved(edit, lengths[stack_of(edit, self.stacks)]) for edit in edits]
        stacks: dict[str, TracedStack] = {}
        for name, (query, key) in self._sides.items():
            seed = f"{plain} {pair}" if query == "text" else f"{name} {plain} {pair} {target}"
            sizes = len(sides[query]), len(sides[key])
            records: list[LayerRecord | None] = [
                self._record(layer, seed, sizes, observer, causal=name == "decoder") for layer in range(self.layers)
            ]
            stacks[name] = TracedStack(records, name == "decoder", query, key)
        checked = {
            name: [LayerCertificate(layer, ok=True, weighted_values=0.0) for layer in range(self.layers)]
            for name in stacks
        }
        return Trace(
            sides=sides,
            stacks=stacks,
            certificate=Certificate.of(checked, tolerance=1e-4, scope="sampled"),
            provenance={"model": self.name, "edits": [edit.as_json() for edit in made]}
            | {"text": plain, "pair": pair, "target": target}
            | ({"messages": encoded.messages} if encoded.messages else {})
            | ({"continue_final_message": True} if encoded.continue_final_message else {}),
            next_tokens=None if self.kind == "encoder" else [(" next", 1, 0.5)],
            edits=made,
        )

    def generate(
        self,
        text: TextOrChat | ModelInputs | Trace,
        max_new_tokens: int = 20,
        edits: Sequence[Edit] | None = None,
        *,
        target: str | None = None,
        on_token: OnToken | None = None,
        observer: Observer | None = None,
        **_sampling: Any,
    ) -> Generation:
        """Generate the words ` word0`, ` word1`, …, whatever the sampling options."""
        if isinstance(text, Trace):
            edits, text = text.edits if edits is None else edits, traced_input(text)
        prompt = text if isinstance(text, ModelInputs) else self.encode(text, target=target)
        made = edits or ()
        steps: list[Step] = []
        for i in range(max_new_tokens):
            for layer in range(self.layers):
                self._step(layer, observer)
            token = Token(f" word{i}", zlib.crc32(f"word{i}".encode()) & 0xFFFF)
            steps.append(Step(token, 0.5, 1, ((token, 0.5),)))
            if on_token is not None:
                on_token(steps[-1])
        words = "".join(step.token.text for step in steps)
        plain = prompt.text or ""
        if self.kind == "encoder-decoder":
            trace = self.trace(plain, prompt.pair, target=f"{prompt.target or 'start'}{words}", edits=made)
        elif prompt.messages is None:
            whole = (plain + words, None) if prompt.pair is None else (plain, prompt.pair + words)
            trace = self.trace(*whole, edits=made)
        else:
            trace = self.trace([*prompt.messages, {"role": "assistant", "content": words}], edits=made)
        return Generation(words, [step.token for step in steps], tuple(steps), "length", trace)

    def states(
        self,
        text: Any,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        *,
        position: int | None = None,
        observer: Observer | None = None,
    ) -> States:
        """Return states whose numbers depend only on the trace."""
        trace = text if isinstance(text, Trace) else self.trace(text)
        return fake_states(trace, self.layers, self._step, answer, foil, position, observer)

    def prediction(self, trace: Trace, position: int | None = None) -> FullPrediction:
        """Return a prediction whose logits depend only on the tokens and the edits of the trace."""
        return fake_prediction(trace, position)

    def effect(
        self,
        text: Any,
        edits: Sequence[Edit] | None = None,
        metric: str | None = None,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: int | None = None,
        top: int = 5,
        observer: Observer | None = None,
    ) -> Effect:
        """Return an effect whose numbers depend only on the trace and the answer."""
        trace = text if isinstance(text, Trace) else self.trace(text)
        for layer in range(self.layers):
            self._step(layer, observer)
        return fake_effect(trace, edits, metric, answer, foil, position, top)

    def control(
        self,
        text: Any,
        edits: Sequence[Edit] | None = None,
        metric: str | None = None,
        *,
        draws: int | None = None,
        over: str | None = None,
        seed: int = 0,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: int | None = None,
        tokens: Sequence[int] = (),
        observer: Observer | None = None,
        on_result: OnResult | None = None,
    ) -> Control:
        """Return a control over the other heads of the edited layer, one at a time, with numbers that depend on the seed.

        Raises `InputError` for other controls.
        """
        if over not in (None, "heads"):
            raise InputError(f"{self.title} has only controls over heads; got {over!r:.80}.")
        trace = text if isinstance(text, Trace) else self.trace(text)
        control: Control | None = None
        for done in range(self.heads if draws is None else min(draws + 1, self.heads)):
            for layer in range(self.layers):
                self._step(layer, observer)
            control = fake_control(trace, edits, done, self.heads - 1, metric, answer, foil, position, seed, tokens)
            if on_result is not None:
                on_result(control)
        assert control is not None
        return control

    def changes(self, trace: Trace) -> dict[str, Changes]:
        """Everything can be changed, except rotary pairs, of which there are none."""
        return {name: changes_in(trace, name, None, self.title) for name in trace.stacks}

    def bake_problems(self, edits: Sequence[Edit], trace: Trace | None = None) -> list[str | None]:
        """Only `ScaleHead` can be baked. Raises `InputError` for an edit that does not fit the model or the trace."""
        for edit in edits:
            stack = stack_of(edit, self.stacks)
            shape_of(resolved(edit, None if trace is None else trace.tokens_for(stack)), self.stacks[stack])
        return [None if isinstance(one, ScaleHead) else f"{one.kind} cannot be baked by {self.title}." for one in edits]

    def control_kinds(self, text: Any, edits: Sequence[Edit] | None = None) -> ControlKinds:
        """Return the other heads of the edited layer, or why there are none."""
        made = text.edits if edits is None else edits
        return fake_control_kinds(list(made), self.heads)

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        observer: Observer | None = None,
        **_options: Any,
    ) -> Sweep:
        """Return a sweep over all heads whose numbers depend only on the prompts."""
        clean, corrupted = (one.text if isinstance(one, ModelInputs) else one for one in (clean, corrupted))
        return fake_sweep(
            clean,
            corrupted,
            (self.layers, self.heads),
            self._step,
            stack=stack or list(self.stacks)[-1],
            layers=layers,
            answer=answer,
            foil=foil,
            observer=observer,
        )

    def check(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: str | None = None,
        image: Any = None,
        observer: Observer | None = None,
    ) -> Certificate:
        """Return a full certificate without errors, for a text or a trace. Raises `CancelledError` as `trace` does."""
        trace = text if isinstance(text, Trace) else self.trace(self.encode(text, pair, target=target, image=image))
        for layer in range(self.layers):
            self._step(layer, observer)
        return Certificate.of(trace.certificate.stacks, tolerance=1e-4, scope="full")

    def attach(self, trace: Trace) -> Trace | None:
        """Return the trace if a fake model of this name made it, else None."""
        return trace if trace.provenance.get("model") == self.name else None

    def _record(
        self, layer: int, text: str, sizes: tuple[int, int], observer: Observer | None, *, causal: bool
    ) -> LayerRecord:
        self._step(layer, observer)
        numbers = torch.Generator().manual_seed(zlib.crc32(f"{layer} {text}".encode()))
        queries, keys = sizes
        q = torch.randn(self.heads, queries, self.head_dim, generator=numbers)
        k, v = torch.randn(2, self.kv_heads, keys, self.head_dim, generator=numbers)
        mask = Mask.causal(queries, keys) if causal else Mask.full(queries, keys)
        return QKRecord(q=q, k=k, v=v, scaling=self.head_dim**-0.5, mask=mask)

    def _step(self, layer: int, observer: Observer | None) -> None:
        self.on_layer(layer)
        if observer is not None:
            if observer.cancelled():
                raise CancelledError("The pass was cancelled.")
            observer.layer(layer + 1, self.layers)


def _words(text: str, sentence: Sentence) -> list[Token]:
    return [Token(f" {word}", zlib.crc32(word.encode()) & 0xFFFF, sentence=sentence) for word in text.split()]
