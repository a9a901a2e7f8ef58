"""`Model`: a transformers model and its tokenizer, ready to be traced. The model itself is never switched or changed."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image
from torch import nn

from attnscope.display import Displayed
from attnscope.edits import Edit, Plan
from attnscope.errors import InputError
from attnscope.model.generation.generate import generate
from attnscope.model.generation.result import Generation, GenerationSettings, OnToken
from attnscope.model.handle import ModelHandle
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.trace_input import Batch, Text
from attnscope.model.interpretation import Interpretation
from attnscope.model.interventions.bake import bake_weights
from attnscope.model.interventions.edited_model import edited_run
from attnscope.model.patching.causal_mediation import Mediation
from attnscope.model.patching.sweep import Sweep
from attnscope.model.patching.sweep_plan import SweepQuestion
from attnscope.model.residual_stream.states import States
from attnscope.model.tracing.certify import edited_certificate, full_certificate
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.run import taken_as_said
from attnscope.model.tracing.trace_inputs import trace_of
from attnscope.trace import Certificate, Trace
from attnscope.trace.positions import Position
from attnscope.types import Observer, Stack


class Model(Displayed):
    """A model that can be traced.

    `hf_model` is any transformers model for text or images, `tokenizer` its tokenizer (or None: then texts are given as token
    ids), its image processor, or the full processor of an image-text model (`processor`; `tokenizer` is then its tokenizer).
    `module` is what is run: `hf_model` itself, or what `torch.compile` wrapped. Every pass runs on a structural clone that
    shares the weights, so the model stays as it is: attention implementation, configs, training mode, hooks, dtype and
    device, also while other threads use it.
    """

    def __init__(
        self,
        hf_model: nn.Module,
        tokenizer: Any = None,
        *,
        name: str | None = None,
        title: str | None = None,
        revision: str | None = None,
        quantization: str | None = None,
    ) -> None:
        self.handle = ModelHandle(
            hf_model, tokenizer, name=name, title=title, revision=revision, quantization=quantization
        )
        self._interpretation = Interpretation(self.handle)

    def __repr__(self) -> str:
        return f"<Model {self.title}, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def hf_model(self) -> Any:
        """The Hugging Face model, as it was given or loaded."""
        return self.handle.hf_model

    @property
    def module(self) -> nn.Module:
        """What is run: `hf_model`, or what `torch.compile` wrapped."""
        return self.handle.module

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, or None."""
        return self.handle.tokenizer

    @property
    def processor(self) -> Any:
        """The processor, image processor or feature extractor that the model came with, or None."""
        return self.handle.processor

    @property
    def name(self) -> str:
        """What the model is called where one chooses between models: its hub id, folder, or class."""
        return self.handle.name

    @property
    def title(self) -> str:
        """Its name for a person."""
        return self.handle.title

    @property
    def revision(self) -> str | None:
        """The commit of the checkpoint on the hub, where it is known."""
        return self.handle.revision

    @property
    def quantization(self) -> str | None:
        """How the weights were stored, where that is coarser than `dtype`."""
        return self.handle.quantization

    @property
    def parameters(self) -> int:
        """Number of parameters, shared ones counted once."""
        return self.handle.parameters

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return self.handle.dtype

    @property
    def kind(self) -> str:
        """`"decoder"` (looks back only), `"encoder"`, or `"encoder-decoder"`."""
        return self.handle.kind

    @property
    def chat(self) -> bool:
        """Whether the tokenizer has a chat template, so that `trace` takes the messages of a chat."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    @property
    def max_tokens(self) -> int | None:
        """How many tokens the model was made for, from its config; None where it does not say."""
        return self.handle.max_tokens

    @property
    def takes(self) -> tuple[str, ...]:
        """What it can be given: `text`, `image`, or both."""
        return self.handle.preprocessor.takes

    @property
    def stacks(self) -> dict[str, Stack]:
        """The model's attention stacks and their sizes, found by a pass over a few tokens (once)."""
        return self.handle.stacks

    @overload
    def trace(
        self,
        text: str,
        pair: str | None = None,
        *,
        target: Target | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace: ...
    @overload
    def trace(
        self,
        text: Sequence[int] | Sequence[Mapping[str, Any]],
        *,
        target: Target | Sequence[Target] | None = None,
        max_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace: ...
    @overload
    def trace(
        self,
        text: Mapping[str, Any],
        *,
        target: Target | None = None,
        max_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace | Any: ...
    @overload
    def trace(self, text: Image.Image | Path | bytes | np.ndarray, *, observer: Observer | None = None) -> Trace: ...
    @overload
    def trace(self, text: ModelInputs, *, edits: Sequence[Edit] = (), observer: Observer | None = None) -> Trace: ...
    @overload
    def trace(
        self,
        text: Batch,
        pair: Sequence[str] | None = None,
        *,
        target: Target | Sequence[Target] | None = None,
        max_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> list[Trace]: ...

    def trace(
        self,
        text: Text | Batch | Image.Image | Path | bytes | np.ndarray | ModelInputs,
        pair: str | Sequence[str] | None = None,
        *,
        target: Target | Sequence[Target] | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace | list[Trace]:
        """Run the model over `text` and keep what its attention was computed from.

        `text` is one of:

        - a string; `pair` is then a second sentence, in the tokenizer's own pair format
        - a list of chat messages, `[{"role": "user", "content": "…"}, …]`, written by the tokenizer's chat template. Where
          the last one is not the assistant's, the template's generation prompt follows, so that the answer begins where the
          trace ends. Every token has the `role` of the message that it is from.
        - a list of token ids
        - a mapping of ready model inputs. Positions that its `attention_mask` leaves out are shown as special and get no weight.
        - a list of strings (`pair`: a list of as many), or ready inputs of several rows: then a list of traces comes back, each
          of a pass of its own, so that it is the same as if it had been traced alone. So does a list of images.

        - an image, for a model that reads images: a PIL image, a path, the bytes of a file, or an array [height, width, 3].
          Tokens are then the patches, with their `box`. To a model that reads text as well, a string is a text; its images are
          passed beside it with `image` (one or several).
        - what `encode` made of one of these, which is then not tokenized again.

        An encoder-decoder model reads `text` as its source, and `target` with its decoder: a text, or the token ids that the
        decoder reads, or a mapping of `decoder_input_ids` or `labels`. Without one, its own greedy output is the target. For a
        batch, `target` is a list of as many.

        With `max_tokens`, a longer text is cut to so many tokens, special ones included, and the trace says so in its
        `warnings`. With `edits` (`attnscope.edits`) they are made in the pass, and the trace records them; a target of the
        model's own is that of the model without them. An `observer` is told of every layer and may cancel.

        Raises `InputError` for a text that cannot be traced (`TooLongError` where the model has no positions for it),
        `MissingError` for a text without a tokenizer, `UnsupportedError` where the attention cannot be shown exactly,
        `CancelledError`.
        """
        return trace_of(
            self.handle,
            text,
            pair,
            target=target,
            image=image,
            max_tokens=max_tokens,
            edits=edits,
            observer=observer,
        )

    def encode(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: Target | None = None,
        image: Any = None,
        max_tokens: int | None = None,
    ) -> ModelInputs:
        """The model inputs of one input, as `trace` takes it, and the tokens that they stand for. The model is not run.

        `trace`, `generate`, `states` and `patch` take them in the place of the text, and do not tokenize it again.
        """
        preprocessor = self.handle.preprocessor
        return preprocessor.encode(preprocessor.read_one(text, pair, target, image, max_tokens))

    def count_tokens(
        self,
        text: Text | ModelInputs,
        pair: str | None = None,
        *,
        target: Target | None = None,
        max_tokens: int | None = None,
    ) -> int:
        """How many positions a trace of this text has, on the longer side. `text` may also be what `encode` made.

        The model is not run, so an output of its own is not counted, and an image that stands alone is counted about right.
        Raises `TooLongError` where the model has no positions for so many.
        """
        encoded = text
        if not isinstance(encoded, ModelInputs):
            encoded = self.encode(encoded, pair, target=target, max_tokens=max_tokens)
        return self.handle.preprocessor.count_positions(encoded)

    def count_positions(self, image: Any, text: str = "") -> int:
        """About how many positions a trace of an image has, without running the model; exact for an image in a text."""
        return self.count_tokens(self.encode(text or None, image=image))

    def generate(
        self,
        text: Text | ModelInputs,
        max_new_tokens: int = 20,
        edits: Sequence[Edit] = (),
        *,
        pair: str | None = None,
        target: Target | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """Let the model write on, and keep the attention of that very run: of the prompt and of every new token.

        Greedy, as `hf_model.generate(do_sample=False, num_beams=1)` writes, unless `temperature`, `top_k`, `top_p` or `seed` asks
        for tokens to be drawn: the same seed gives the same text. Ends after `max_new_tokens`, at the model's own end of text, or
        once a string of `stop` is in the continuation. An encoder-decoder model reads `text` as its source, and `target` is
        what its own text begins with. `edits` are made in every step; positions count from the first token of the prompt.
        `on_token` is told of each token as soon as it is chosen. Raises `UnsupportedError` for a model that generates nothing,
        `InputError` for a text, an edit or a setting that cannot be used, `CancelledError`.
        """
        settings = GenerationSettings.of(
            max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
        )
        return generate(
            self.handle,
            text,
            settings,
            pair=pair,
            target=target,
            edits=edits,
            on_token=on_token,
            observer=observer,
        )

    def check(
        self,
        text: Text,
        pair: str | None = None,
        *,
        target: Target | None = None,
        observer: Observer | None = None,
    ) -> Certificate:
        """Compare what would be shown of `text` with an untouched pass, with its own output, and with eager weights.

        The three comparisons are those of `attnscope.trace.certificate`, over every row of every head.
        """
        encoded = self.handle.preprocessor.complete(self.encode(text, pair, target=target), observer)
        tower = self.handle.tower_for(encoded.inputs)
        with taken_as_said(tower.module, encoded, tower.title):
            inputs = tower.preprocessor.tensors(encoded)
            return full_certificate(tower.module, tower.probed_for(inputs).architecture, inputs, observer)

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """The full certificate of the input of a trace."""
        if not trace.inputs:
            raise InputError(
                "This trace was not made by a model of this session, so its input is not there to be run again."
            )
        probed = self.handle.tower_for(trace.inputs).probed_for(trace.inputs)
        plan = plan_for(probed.architecture, trace.edits, title=self.title)
        if plan is not None:
            return edited_certificate(probed.module, probed.architecture, trace.inputs, plan, observer)
        return full_certificate(probed.module, probed.architecture, trace.inputs, observer)

    def states(
        self,
        text: Any,
        answer: str | int | None = None,
        foil: str | int | None = None,
        *,
        pair: str | None = None,
        target: Any = None,
        position: Position | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> States:
        """The residual stream of a pass: norms, the logit lens, and what each part adds to the logit of an answer.

        `answer` and `foil` are single tokens (a text such as `" Paris"`, or a token id); without an answer it is the most
        probable token. With a foil, shares are of logit(answer) − logit(foil). `position` is the one that predicts (the last,
        or the mask token of a masked model): an index, or a word, of which the last token counts. `edits` are made in the pass.
        Of an encoder-decoder model the stream is the decoder's. Raises `UnsupportedError` where a part that was asked for is not
        known, `InputError`, `CancelledError`.
        """
        return self._interpretation.states(
            text, answer, foil, pair=pair, target=target, position=position, edits=edits, observer=observer
        )

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        what: str = "head_output",
        by: str | None = None,
        metric: str | None = None,
        answer: str | int | None = None,
        foil: str | int | None = None,
        position: Position | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        positions: Sequence[Position] | None = None,
        target: Any = None,
        observer: Observer | None = None,
    ) -> Sweep:
        """Activation patching: run `corrupted` again and again, each time with one activation as it is in `clean`.

        Activations are *taken from the clean prompt* and *put into the corrupted prompt's run*. `what` is `head_output` (Σ α v of
        a head), `attention` (its weights, with the corrupted run's own values), `residual` (the stream after a layer) or `mlp`
        (what a layer's MLP adds). `by` is the axis beside layers: `head` (the default for heads), `position` (for the stream)
        or `layer` (all at once, one number a layer). `layers`, `heads` and `positions` restrict the sweep; what is no axis is
        patched together (all positions of a head, say). An entry of `positions` is an index, a word of the clean (else the
        corrupted) prompt, or a span of several tokens, which is patched together; `position` is the one that predicts.

        `metric`: `logit` (the default with a foil: logit(answer) − logit(foil)), `probability` (without), `log_probability`
        or `ratio` (p(answer)/p(foil)). The answer is by default the clean prompt's most probable token. Both prompts need as
        many tokens; `target` is what the decoder of an encoder-decoder model reads in both. Raises `InputError`,
        `UnsupportedError` where a part is not known, `CancelledError`.
        """
        question = SweepQuestion(what, by, metric, answer, foil, position, stack, layers, heads, positions)
        return self._interpretation.patch(clean, corrupted, question, target=target, observer=observer)

    def mediate(
        self,
        base: Any,
        swap: Any,
        answer: str | int,
        foil: str | int,
        *,
        what: str = "attention",
        by: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        observer: Observer | None = None,
    ) -> Mediation:
        """Causal mediation analysis (Vig et al. 2020) of every head: total, indirect and direct effect.

        `base` is a prompt, `swap` the same with a word swapped, y = p(answer) / p(foil). `what` and `by` as in `patch`.
        """
        question = SweepQuestion(what, by, "ratio", answer, foil, layers=layers, heads=heads)
        return self._interpretation.mediate(base, swap, question, observer=observer)

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Generator[nn.Module]:
        """While the block lasts, calls of `hf_model` (and its `generate`) from this thread are edited; others are not.

        Gives the edited model itself, in eval mode, which any thread may call until the block ends: a clone with the hooks that
        `hf_model` has when the block begins. A block inside another takes its place. Positions count from the first token of
        the input, also in generation with a cache. Raises `InputError` for edits that do not fit, `UnsupportedError`
        where the model cannot be edited or cloned.
        """
        probed = self.handle.probed
        plan = plan_for(probed.architecture, edits, title=probed.title) or Plan((), {})
        with edited_run(self.hf_model, probed, plan) as clone:
            yield clone

    def bake(self, edits: Sequence[Edit]) -> Any:
        """A copy of the Hugging Face model with `edits` in its weights; its `save_pretrained(folder)` writes it.

        Only `ScaleHead` and `ScaleNeuron` can be written into the weights. Raises `UnsupportedError` for any other edit, and
        where the weights to change are unknown (a norm after the projection, one dimension of a rotary pair, weights shared between
        layers).
        """
        probed = self.handle.probed
        return bake_weights(probed, plan_for(probed.architecture, edits, title=probed.title))
