"""`Model`: a transformers model and its tokenizer, ready to be traced. The model itself is never modified."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from attnscope.deprecation import renamed_attribute, renamed_keywords, renamed_value, warn_renamed
from attnscope.display import Displayed
from attnscope.edits import Edit
from attnscope.edits.plan import Plan
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.attribution.attribution import Attribution
from attnscope.model.attribution.attribution_patching import AttributionQuestion, attribution_of
from attnscope.model.attribution.head_importance import HeadImportance, head_importance_of, several
from attnscope.model.attribution.value_zeroing import value_zeroing_of
from attnscope.model.effects.control import Control, ControlQuestion, OnResult, control_of
from attnscope.model.effects.control_kinds import ControlKinds, control_kinds
from attnscope.model.effects.effect import Effect, effects_of, listed
from attnscope.model.effects.full_prediction import FullPrediction, full_prediction
from attnscope.model.effects.prompt import Prompt, edits_of, prompt_of
from attnscope.model.effects.question import MetricArguments, MetricLike
from attnscope.model.generation.generate import generate
from attnscope.model.generation.result import Generation, GenerationSettings, OnToken
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.bare_model import bare_model
from attnscope.model.hf.transformers_model import has_adapter
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.images import check_without_image
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.sentences import SentenceStart
from attnscope.model.inputs.trace_input import Batch, Text
from attnscope.model.interpretation import Images, Interpretation
from attnscope.model.interventions.bake import bake_problems, bake_weights
from attnscope.model.interventions.edited_model import edited_run
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.patching.causal_mediation import Mediation
from attnscope.model.patching.sweep import RENAMED_ACTIVATIONS, Sweep
from attnscope.model.patching.sweep_plan import SweepQuestion
from attnscope.model.residual_stream.states import States
from attnscope.model.tracing.certify import edited_certificate, full_certificate
from attnscope.model.tracing.changes import Changes, changes_of
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.generated_tokens import generated_tokens, prompt_sizes, trace_plan
from attnscope.model.tracing.packed_sequences import as_called
from attnscope.model.tracing.run import explain_failure
from attnscope.model.tracing.saved_trace import with_model
from attnscope.model.tracing.trace_inputs import trace_of
from attnscope.trace import Certificate, Trace
from attnscope.trace.positions import Position
from attnscope.types import Observer, Stack
from attnscope.validation import FUNCTION, OBSERVER, check_arguments

ADAPTER_OFF = " (adapter off)"
"""What is added to the name of a model for the same model without its adapters."""

_NO_BAKING = (
    "Edits cannot be written into the weights of a model with an adapter. Merge it first: pass `hf_model.merge_and_unload()` to "
    "`attnscope.Model`."
)


class Model(Displayed):
    """A model that can be traced.

    Every forward pass runs on a structural clone that shares the weights with your model, so your model keeps its attention
    implementation, configs, training mode, hooks, dtype and device, even while other threads use it.

    Args:
        hf_model: Any transformers model for text, images or audio. A module wrapped by `torch.compile` is run uncompiled,
            and of one wrapped by PEFT, the model inside.
        tokenizer: Its tokenizer, image processor, feature extractor, or full processor (of an image–text model). Without one,
            pass texts as token ids or as ready-made model inputs.
        name: The model's identifier, by default the hub id or folder in its config.
        title: The name to display, by default the last part of `name`.
        revision: The commit of the checkpoint, by default the one in its config.
        quantization: How the weights are stored ("Q4_1", "bitsandbytes"), by default what the config says.

    Raises:
        InputError: `hf_model` is not a transformers model.
    """

    @renamed_keywords(quantisation="quantization")
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
        self._handle = ModelHandle(
            hf_model, tokenizer, name=name, title=title, revision=revision, quantization=quantization
        )
        self._interpretation = Interpretation(self._handle)

    def __repr__(self) -> str:
        return f"<Model {self.title}, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def hf_model(self) -> Any:
        """The transformers model, as you passed it or as it was loaded."""
        return self._handle.hf_model

    @property
    def module(self) -> nn.Module:
        """The module that runs: `hf_model`, or the module that `torch.compile` or PEFT wrapped."""
        return self._handle.module

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, or None."""
        return self._handle.tokenizer

    @property
    def processor(self) -> Any:
        """The processor, image processor or feature extractor, or None."""
        return self._handle.processor

    @property
    def name(self) -> str:
        """The model's identifier: hub id, folder, or class name."""
        return self._handle.name

    @property
    def title(self) -> str:
        """The model's name for display."""
        return self._handle.title

    @property
    def revision(self) -> str | None:
        """The commit of the checkpoint on the hub, or None where it is unknown."""
        return self._handle.revision

    @property
    def quantization(self) -> str | None:
        """How the weights are stored ("Q4_1", "bitsandbytes") where that is coarser than `dtype`, else None."""
        return self._handle.quantization

    @property
    def parameters(self) -> int:
        """The number of parameters; shared parameters count once."""
        return self._handle.parameters

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return self._handle.dtype

    @property
    def kind(self) -> str:
        """`"decoder"` (causal), `"encoder"` (bidirectional), or `"encoder-decoder"`."""
        return self._handle.kind

    @property
    def chat(self) -> bool:
        """Whether the tokenizer has a chat template, so that `trace` accepts chat messages."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    @property
    def max_tokens(self) -> int | None:
        """The context length in tokens according to the config, or None where the config does not state one."""
        return self._handle.max_tokens

    @property
    def takes(self) -> tuple[str, ...]:
        """The modalities that the model reads: `text`, `image`, or both."""
        return self._handle.preprocessor.takes

    @property
    def stacks(self) -> dict[str, Stack]:
        """The model's attention stacks (`encoder`, `decoder`, `cross`) and their sizes.

        They are found by one forward pass over a few tokens, the first time this is read.
        """
        return self._handle.stacks

    quantisation = renamed_attribute("quantisation", "quantization")

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
        sentence_b_start: int | None = None,
        continue_final_message: bool = False,
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
        sentence_b_start: SentenceStart = None,
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

    @check_arguments(observer=OBSERVER)
    def trace(
        self,
        text: Text | Batch | Image.Image | Path | bytes | np.ndarray | ModelInputs,
        pair: str | Sequence[str] | None = None,
        *,
        target: Target | Sequence[Target] | None = None,
        image: Any = None,
        max_tokens: int | None = None,
        sentence_b_start: SentenceStart = None,
        continue_final_message: bool = False,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> Trace | list[Trace]:
        """Run one forward pass and keep what its attention was computed from.

        `text` is one of:

        - a string; `pair` is then a second sentence, joined to it in the tokenizer's own format for pairs
        - a list of chat messages, `[{"role": "user", "content": "…"}, …]`, formatted by the tokenizer's chat template. Unless
          the last message is the assistant's, the template's generation prompt is added, so that the trace ends where the
          answer would begin. Each token has the `role` of its message.
        - a list of token ids
        - a mapping of ready-made model inputs, such as `tokenizer(text, pair, return_tensors="pt")`. Positions that its
          `attention_mask` masks are shown as special tokens and get no weight.
        - an image, for a model that reads images: a PIL image, a path, the bytes of a file, or an array [height, width, 3].
          The tokens are then its patches, each with its `box`. For a model that reads text as well, pass the text as `text`
          and its image or images as `image`.
        - the result of `encode`, which is not tokenized again
        - a list of strings (with `pair`: a list of the same length), a list of images, or ready-made inputs with several rows.
          You then get a list of traces. Each input has a forward pass of its own, so its trace equals that of the input alone.

        Args:
            text: The input, see above.
            pair: A second sentence (or one for each text of a batch).
            target: For encoder-decoder models, what the decoder reads: a text, token ids, or a mapping with
                `decoder_input_ids` or `labels`. By default the model's own greedy output for `text`, without edits.
            image: One image or several that belong to the text.
            max_tokens: Truncate a longer text to this number of tokens, special tokens included. The trace's `warnings` say so.
            sentence_b_start: For token ids and ready inputs, the position at which the second sentence begins (for several rows,
                a list). By default it is known for the result of a fast tokenizer, and from `token_type_ids`.
            continue_final_message: End a chat within its last message, for the model to continue it, instead of beginning a new
                one.
            edits: Interventions to make in this pass (`attnscope.edits`). The trace records them.
            observer: An `Observer`, which is notified of each layer and can cancel the pass.

        Returns:
            A `Trace`, or a list of traces for a batch.

        Raises:
            InputError: The input cannot be traced.
            TooLongError: The input has more tokens than the model has positions.
            MissingError: `text` is a string, but the model has no tokenizer.
            UnsupportedError: The attention of this model cannot be shown exactly.
            CancelledError: The observer cancelled the pass.
        """
        return trace_of(
            self._handle,
            text,
            pair,
            target=target,
            image=image,
            max_tokens=max_tokens,
            sentence_b_start=sentence_b_start,
            continue_final_message=continue_final_message,
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
        sentence_b_start: int | None = None,
        continue_final_message: bool = False,
        observer: Observer | None = None,
    ) -> ModelInputs:
        """Tokenize an input, with the arguments of `trace`, without running the model.

        `trace`, `generate`, `states`, `patch` and `count_tokens` accept the result in place of the text, and do not tokenize
        it again. An `observer` can cancel the rendering of a chat. Raises `InputError`, `TooLongError`, `MissingError` or
        `CancelledError`, as `trace` does.
        """
        preprocessor = self._handle.preprocessor
        return preprocessor.encode(
            preprocessor.read_one(
                text,
                pair,
                target,
                image,
                max_tokens,
                sentence_b_start=sentence_b_start,
                continue_final_message=continue_final_message,
            ),
            observer,
        )

    def count_tokens(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: Target | None = None,
        image: Any = None,
        max_tokens: int | None = None,
    ) -> int:
        """Count the positions that a trace of this input has, without running the model.

        Takes the arguments of `encode`, or its result. For an encoder-decoder model this is the longer of the two sides; the
        model's own output is not counted. The count for an image without text is an estimate. Raises `TooLongError` where
        the model has fewer positions.
        """
        encoded = text
        if not isinstance(encoded, ModelInputs):
            encoded = self.encode(encoded, pair, target=target, image=image, max_tokens=max_tokens)
        return self._handle.preprocessor.count_positions(encoded)

    def count_positions(self, image: Any, text: str = "") -> int:
        """Deprecated: use `count_tokens`.

        :meta private:
        """
        warn_renamed("`Model.count_positions(image, text)`", "`Model.count_tokens(text, image=image)`")
        return self.count_tokens(text or None, image=image)

    @check_arguments(observer=OBSERVER, on_token=FUNCTION)
    def generate(
        self,
        text: Text | ModelInputs | Trace,
        max_new_tokens: int = 20,
        edits: Sequence[Edit] | None = None,
        *,
        pair: str | None = None,
        target: Target | None = None,
        image: Any = None,
        sentence_b_start: int | None = None,
        continue_final_message: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """Generate a continuation, and keep the attention of that very run: of the prompt and of every new token.

        Decoding is greedy, equal to `hf_model.generate(do_sample=False, num_beams=1)`, unless you pass `temperature`, `top_k`,
        `top_p` or `seed`: then tokens are sampled, and the same seed gives the same text. Generation ends after
        `max_new_tokens`, at the model's end-of-text token, or once the continuation contains a string of `stop`.

        Args:
            text: The prompt, as for `trace`. For an encoder-decoder model: the source. Or a trace that this model made, such as
                that of another generation: exactly its tokens (and its images) are continued.
            max_new_tokens: The largest number of new tokens, at least 1.
            edits: Interventions to make in every step. Positions count from the first token of the prompt. By default there are
                none, or for a trace those of the trace.
            pair: A second sentence.
            target: For encoder-decoder models, what the output begins with.
            image: One image or several that belong to the text, as for `trace`.
            sentence_b_start: For token ids and ready inputs, where the second sentence begins, as for `trace`.
            continue_final_message: Continue the last message of a chat instead of answering it.
            temperature: Divides the logits before sampling; a positive number.
            top_k: Sample from the `top_k` most probable tokens only.
            top_p: Sample from the smallest set of tokens whose probabilities sum to `top_p`.
            seed: The seed of the sampling.
            stop: One string or several at which to end.
            on_token: Called with each `Step` as soon as its token is chosen.
            observer: An `Observer`, which can cancel the run.

        Raises:
            UnsupportedError: The model does not generate text.
            InputError: The text, an edit or a setting cannot be used.
            CancelledError: The observer cancelled the run.
        """
        settings = GenerationSettings.of(
            max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
        )
        return generate(
            self._handle,
            text,
            settings,
            pair=pair,
            target=target,
            image=image,
            sentence_b_start=sentence_b_start,
            continue_final_message=continue_final_message,
            edits=edits,
            on_token=on_token,
            observer=observer,
        )

    @check_arguments(observer=OBSERVER)
    def check(
        self,
        text: Text | Trace,
        pair: str | None = None,
        *,
        target: Target | None = None,
        image: Any = None,
        continue_final_message: bool = False,
        observer: Observer | None = None,
    ) -> Certificate:
        """Compare what a trace shows with the model's own computation, over every row of every head.

        The certificate holds three comparisons for each layer: hidden states with those of an untouched pass, attention weights
        × value vectors with the output of the attention function, and the weights with the model's eager attention where
        the model has one. The arguments are those of `trace`, or `text` is a trace that this model made, whose input (with its
        edits) is then run again.

        Raises:
            InputError: The input cannot be traced, or the trace does not hold its input.
            UnsupportedError: The attention of this model cannot be shown exactly.
            CancelledError: The observer cancelled the pass.
        """
        if isinstance(text, Trace):
            check_without_image(image)
            return self._check_trace(text, observer)
        encoded = self.encode(text, pair, target=target, image=image, continue_final_message=continue_final_message)
        encoded = self._handle.preprocessor.complete(encoded, observer)
        tower = self._handle.tower_for(encoded.inputs)
        with explain_failure(tower.module, encoded, tower.title):
            inputs, _ = as_called(tower.module, tower.preprocessor.tensors(encoded), use_cache=encoded.use_cache)
            return full_certificate(tower.module, tower.probed_for(inputs).architecture, inputs, observer)

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """Deprecated: use `check`.

        :meta private:
        """
        warn_renamed("`Model.check_trace(trace)`", "`Model.check(trace)`")
        return self.check(trace, observer=observer)

    def attach(self, trace: Trace) -> Trace | None:
        """A saved trace with this model's output projections and logits; None if a model with other weights made it.

        :meta private:
        """
        return with_model(trace, self._handle)

    def _check_trace(self, trace: Trace, observer: Observer | None) -> Certificate:
        if not trace.inputs:
            raise InputError("This trace does not hold its input, so it cannot be run again. Pass the text instead.")
        probed = self._handle.tower_for(trace.inputs).probed_for(trace.inputs)
        plan = trace_plan(probed.architecture, trace, self.title)
        if plan is not None:
            return edited_certificate(probed.module, probed.architecture, trace.inputs, plan, observer)
        return full_certificate(probed.module, probed.architecture, trace.inputs, observer)

    @check_arguments(observer=OBSERVER)
    def states(
        self,
        text: Any,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        *,
        pair: str | None = None,
        target: Any = None,
        image: Any = None,
        position: Position | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> States:
        """Compute the residual stream of a pass: its norms, the logit lens, and direct logit attribution.

        Args:
            text: The input, as for `trace`, or a trace that this model made.
            answer: What is attributed: a text of one or several tokens (`" Paris"`), a token id, or a list of ids. By default the
                most probable token. The logits of several tokens are summed, each in a pass on the text and the tokens before.
            foil: A second answer, in the same form. Contributions are then to logit(answer) − logit(foil).
            pair: A second sentence.
            target: For encoder-decoder models, what the decoder reads. The stream is the decoder's.
            image: One image or several that belong to the text.
            position: The position that predicts, an index or a word (of several tokens the last counts): by default the last
                one, or the mask token of a masked language model.
            edits: Interventions to make in the pass.
            observer: An `Observer`, which can cancel the pass.

        Raises:
            UnsupportedError: A quantity that you asked for is unknown for this model.
            InputError: The input, the answer or the position cannot be used.
            CancelledError: The observer cancelled the pass.
        """
        return self._interpretation.states(
            text, answer, foil, pair=pair, target=target, image=image, position=position, edits=edits, observer=observer
        )

    @check_arguments(observer=OBSERVER)
    def patch(
        self,
        clean: Any,
        corrupted: Any,
        *,
        what: str = "output",
        by: str | None = None,
        metric: str | None = None,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        positions: Sequence[Position] | None = None,
        together: Sequence[Any] | None = None,
        spans: Mapping[str, tuple[Position, Position]] | None = None,
        unequal: str = "last",
        target: Any = None,
        image: Any = None,
        corrupted_image: Any = None,
        observer: Observer | None = None,
    ) -> Sweep:
        """Sweep activation patching: rerun `corrupted`, each time with one activation taken from `clean`.

        Args:
            clean: The prompt that activations are taken from, as for `trace`, or its trace.
            corrupted: The prompt that is run with them. Prompts with different numbers of tokens are aligned by span, and only
                corresponding tokens are patched.
            what: The activation: `"output"` (a head's Σ_j α_ij v_j, before W_O), `"attention"` (a head's weights, applied to the
                corrupted run's own value vectors), `"residual"` (the residual stream after a layer), or `"mlp"` (an MLP's
                output).
            by: The second axis of the sweep beside layers: `"head"` (the default for `output` and `attention`), `"position"`
                (the default for `residual` and `mlp`), or `"layer"` (everything in a layer at once).
            metric: `"logit"` (logit(answer) − logit(foil); the default with a foil), `"probability"` (the default without one),
                `"log_probability"` (the default for several tokens), or `"ratio"` (p(answer) / p(foil)).
            answer: What the metric measures: a text of one or several tokens, a token id, or a list of ids. By default the most
                probable token after the clean prompt. Several tokens are measured in a pass on the prompt and the answer.
            foil: A second answer to compare it with.
            position: The position that predicts, an index or a word (of several tokens the last counts). Default: the last one.
            stack: The stack to patch, where the model has several.
            layers: Restrict the sweep to these layers.
            heads: Restrict the sweep to these heads.
            positions: Restrict the patch to these positions: indices, words of the clean (else the corrupted) prompt, names of
                `spans`, or spans of several tokens, which are patched together. An axis that the sweep does not run over is
                patched as a whole, the positions of the answer's tokens included.
            together: Heads that are patched at the same time, [(layer, head), …], or a list of such groups: one value for each
                group.
            spans: Spans that correspond, {name: (position in the clean prompt, position in the corrupted prompt)}; for an
                encoder-decoder model, in the sources. The prompts are then aligned by span.
            unequal: How a span is patched from one with another number of tokens: `"last"` (token by token from the end),
                `"skip"` (not at all), or `"mean"` (each token with the mean over the clean span).
            target: For encoder-decoder models, what the decoder reads for both prompts.
            image: One image or several that belong to both prompts, or only to the clean one if `corrupted_image` is passed.
            corrupted_image: The image or images of the corrupted prompt. The text may then be the same.
            observer: An `Observer`, which can cancel the sweep.

        Raises:
            InputError: Nothing in the prompts corresponds, or an argument cannot be used.
            UnsupportedError: The activation is unknown for this model.
            CancelledError: The observer cancelled the sweep.
        """
        what = renamed_value("what", what, RENAMED_ACTIVATIONS)
        question = SweepQuestion(
            what, by, metric, answer, foil, position, stack, layers, heads, positions, spans, unequal, together
        )
        images = Images.of(image, corrupted_image)
        return self._interpretation.patch(clean, corrupted, question, target=target, images=images, observer=observer)

    @renamed_keywords(base="clean", swap="corrupted")
    @check_arguments(observer=OBSERVER)
    def mediate(
        self,
        clean: Any,
        corrupted: Any,
        answer: AnswerText,
        foil: AnswerText,
        *,
        what: str = "attention",
        by: str | None = None,
        position: Position | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        positions: Sequence[Position] | None = None,
        together: Sequence[Any] | None = None,
        spans: Mapping[str, tuple[Position, Position]] | None = None,
        unequal: str = "last",
        target: Any = None,
        image: Any = None,
        corrupted_image: Any = None,
        observer: Observer | None = None,
    ) -> Mediation:
        """Run a causal mediation analysis (Vig et al. 2020) of every head: total, indirect and direct effects.

        With y = p(answer) / p(foil), the total effect is y(corrupted) / y(clean) − 1. The
        indirect effect of a head is that of the clean prompt with this head's activation taken from the corrupted prompt; the
        direct effect is that of the corrupted prompt with this head's activation taken from the clean prompt.

        Args:
            clean: The original prompt.
            corrupted: The same prompt with a word swapped.
            answer: The first continuation, of one or several tokens.
            foil: The second continuation.
            what: The activation to take, as in `patch`.
            by: The axis of the sweep beside layers, as in `patch`.
            position: The position that predicts, as in `patch`.
            stack: The stack to patch, where the model has several.
            layers: Restrict the analysis to these layers.
            heads: Restrict the analysis to these heads.
            positions: Restrict the analysis to these positions, as in `patch`.
            together: Heads that are patched at the same time, as in `patch`: one effect for each group.
            spans: Spans that correspond, as in `patch`.
            unequal: How a span is patched from one of another length, as in `patch`.
            target: For encoder-decoder models, what the decoder reads for both prompts.
            image: One image or several that belong to both prompts, or only to the clean one if `corrupted_image` is passed.
            corrupted_image: The image or images of the corrupted prompt.
            observer: An `Observer`, which can cancel the analysis.

        Raises `InputError`, `UnsupportedError` and `CancelledError` as `patch` does.
        """
        what = renamed_value("what", what, RENAMED_ACTIVATIONS)
        question = SweepQuestion(
            what,
            by,
            "log_probability",
            answer,
            foil,
            position,
            stack,
            layers,
            heads,
            positions,
            spans,
            unequal,
            together,
        )
        images = Images.of(image, corrupted_image)
        return self._interpretation.mediate(clean, corrupted, question, target=target, images=images, observer=observer)

    @check_arguments(observer=OBSERVER)
    def effect(
        self,
        text: Any,
        edits: Sequence[Edit] | Edit | None = None,
        metric: MetricLike | None = None,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        pair: str | None = None,
        target: Any = None,
        image: Any = None,
        top: int = 5,
        observer: Observer | None = None,
    ) -> Effect:
        """Measure what edits do to a prediction: a metric and the next-token distribution, before and after.

        An answer of several tokens is scored by Σ ln p(token | what is before it). Edits name positions of the prompt; those of
        whole heads, neurons and of every position also act on the answer's tokens.

        Args:
            text: The prompt, as for `trace`, or what `encode` or `trace` returned.
            edits: The edits that are made together. By default those of the trace that you passed as `text`.
            metric: A `Metric`, the name of one, or a function from logits [token, vocab] to a number. By default the logit
                difference of an answer and a foil of one token each, otherwise the log probability.
            answer: What the metric measures: a text, a token id, or a list of them. By default the most probable token.
            foil: What to compare the answer with.
            position: The position that predicts. By default the last one, or the only mask token.
            pair: A second sentence.
            target: For encoder-decoder models, what the decoder reads.
            image: One image or several that belong to the text.
            top: How many of the most probable tokens to keep.
            observer: An `Observer`, which can cancel.

        Raises `InputError`, `UnsupportedError` and `CancelledError` as `trace` and `patch` do.
        """
        arguments = MetricArguments(metric, answer, foil, position)
        prompt, made = self._edited_prompt(text, edits, pair=pair, target=target, image=image, observer=observer)
        return effects_of(prompt, [made], arguments, top=top, observer=observer)[0]

    @check_arguments(observer=OBSERVER)
    def effects(
        self,
        text: Any,
        variants: Sequence[Sequence[Edit]],
        metric: MetricLike | None = None,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        pair: str | None = None,
        target: Any = None,
        image: Any = None,
        top: int = 5,
        observer: Observer | None = None,
    ) -> list[Effect]:
        """Measure the effect of each of several lists of edits, many in one batch.

        Row 0 of a batch has no edits and must reproduce the prompt's own logits; where it does not, every list runs alone.
        `observer` is notified after each batch. The other arguments, and the errors, are those of `effect`.
        """
        arguments = MetricArguments(metric, answer, foil, position)
        prompt = prompt_of(self._handle, text, pair, target=target, image=image, observer=observer)
        return effects_of(prompt, variants, arguments, top=top, observer=observer)

    @check_arguments(observer=OBSERVER, on_result=FUNCTION)
    def control(
        self,
        text: Any,
        edits: Sequence[Edit] | Edit | None = None,
        metric: MetricLike | None = None,
        *,
        draws: int | None = None,
        over: str | None = None,
        seed: int = 0,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        pair: str | None = None,
        target: Any = None,
        image: Any = None,
        tokens: Sequence[int] = (),
        observer: Observer | None = None,
        on_result: OnResult | None = None,
    ) -> Control:
        """Compare the effect of edits with that of the same edits made elsewhere.

        Args:
            text: The prompt, as for `effect`.
            edits: The edits, which move together. By default those of the trace that you passed as `text`.
            metric: What to measure, as for `effect`.
            draws: How many controls to draw, without replacement. By default all if there are at most 20, otherwise 20.
            over: What to vary: `"heads"` (other heads of the same layers, none of which the edits name; groups of heads for edits
                of k or v in grouped-query attention), `"keys"` (for `CutEdge` and `SetAttention`: other visible keys with another
                token, no attention sink unless the edited key is one), `"pairs"` (for `ScaleNeuron`: as many other dimensions of
                the same head, whole rotary pairs under RoPE) or `"vectors"` (for `AddVector`, and its default: random vectors of
                the same norm). The default for all other edits is `"heads"`.
            seed: The seed of the draws.
            answer: As for `effect`.
            foil: As for `effect`.
            position: As for `effect`.
            pair: A second sentence.
            target: For encoder-decoder models, what the decoder reads.
            image: One image or several that belong to the text.
            tokens: The ids of tokens whose probability with each control you want too (`Control.probabilities`).
            observer: An `Observer`, which is notified after each batch and can cancel.
            on_result: Called after each batch with the `Control` so far.

        Raises:
            InputError: There is no control (a layer with one head), or an argument cannot be used.
            UnsupportedError: The model cannot be edited.
            CancelledError: The observer cancelled.
        """
        prompt, made = self._edited_prompt(text, edits, pair=pair, target=target, image=image, observer=observer)
        arguments, asked = (
            MetricArguments(metric, answer, foil, position),
            ControlQuestion(made, over, draws, seed, tokens),
        )
        return control_of(prompt, asked, arguments, observer=observer, on_result=on_result)

    def control_kinds(self, text: Any, edits: Sequence[Edit] | Edit | None = None) -> ControlKinds:
        """Which controls `control` can make for edits, and how many draws each has. For a trace, no pass runs.

        `text` and `edits` are those of `control`. Raises `InputError` and `UnsupportedError` as `control` does.
        """
        prompt, made = self._edited_prompt(text, edits)
        return control_kinds(prompt, listed(made))

    def prediction(self, trace: Trace, position: Position | None = None) -> FullPrediction:
        """Everything that the model predicts at a position of a trace, with the logit of every token or label. No pass runs.

        Args:
            trace: A trace that this model made.
            position: The position that predicts, an index or a word (of several tokens the last counts). By default the last one,
                or the first mask token; a classifier of whole inputs has none.

        Raises:
            UnsupportedError: The model predicts no token and no label, or the trace has no logits.
            InputError: The position is ambiguous, or does not exist.
        """
        if not isinstance(trace, Trace):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"`trace` must be a trace that this model made; got {type(trace).__name__}.")
        return full_prediction(self._handle, trace, position)

    def _edited_prompt(self, text: Any, edits: Any, **more: Any) -> tuple[Prompt, Any]:
        """A prompt and the edits that are meant: those passed, or by default those of the trace."""
        own = edits is None
        made = edits_of(text) if own else edits
        return prompt_of(self._handle, text, own_edits=own, **more), made

    @check_arguments(observer=OBSERVER)
    def head_importance(
        self,
        texts: Any,
        metric: MetricLike | None = None,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        stack: str | None = None,
        normalized: bool = False,
        confirm: int = 0,
        observer: Observer | None = None,
    ) -> HeadImportance:
        """Estimate how much a metric depends on each head, by the gradient of a gate (Michel et al. 2019).

        One forward and one backward pass per text give every head's |∂L/∂ξ|, averaged over the texts. This is a first-order guess
        of what ablating the head changes; `confirm` ablates the heads for real.

        Args:
            texts: One prompt as for `effect`, or a list of strings, of token ids, or of what `encode` or `trace` returned.
            metric: L, as for `effect`. Without metric and answer: the language modeling loss, in nats per token.
            answer: As for `effect`, the same for all texts.
            foil: As for `effect`.
            position: As for `effect`.
            stack: The stack of the heads, where the model has several: by default the decoder.
            normalized: Divide the importances of each layer by their l2 norm, as Michel et al. do to compare layers.
            confirm: How many of the most important heads to ablate (`ScaleHead` by 0), one at a time.
            observer: An `Observer`, which is notified after each text and can cancel.

        Raises `InputError`, `UnsupportedError` and `CancelledError` as `effect` does.
        """
        loss = metric is None and answer is None and foil is None
        arguments = None if loss else MetricArguments(metric, answer, foil, position)
        prompts = [prompt_of(self._handle, text, observer=observer) for text in several(texts)]
        return head_importance_of(
            prompts, arguments, stack=stack, normalized=normalized, confirm=confirm, observer=observer
        )

    @check_arguments(observer=OBSERVER)
    def value_zeroing(
        self,
        text: Any,
        layer: int | None = None,
        *,
        stack: str | None = None,
        head: int | None = None,
        pair: str | None = None,
        target: Any = None,
        observer: Observer | None = None,
    ) -> Float[Tensor, "layer query key"]:
        """Measure how much each token's state after a block changes if the value of one token is zeroed (Mohebbi et al. 2023).

        The result [layer, query, key] is the cosine distance, 0 to 2, of the block's output at the query with and without the
        value of the key, from the block's own input in this pass. `layer` of None means all layers with attention; `stack` is the
        decoder if the model has several. Values are zeroed in all heads of the layer, or only in `head`.

        Raises `InputError`, `UnsupportedError` (the block of a layer is unknown) and `CancelledError`.
        """
        prompt = prompt_of(self._handle, text, pair, target=target, observer=observer)
        return value_zeroing_of(prompt, layer, stack=stack, head=head, observer=observer)

    @check_arguments(observer=OBSERVER)
    def attribution_patch(
        self,
        clean: Any,
        corrupted: Any,
        metric: MetricLike | None = None,
        *,
        of: str = "heads",
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        position: Position | None = None,
        stack: str | None = None,
        layers: Sequence[int] | None = None,
        confirm: int = 0,
        seed: int = 0,
        target: Any = None,
        observer: Observer | None = None,
    ) -> Attribution:
        """Estimate what patching each head, or each attention edge, would change (attribution patching, Nanda 2023).

        Two forward passes and one backward pass replace one pass for each patch. The estimate is of first order.

        Args:
            clean: The prompt that activations are taken from, as for `effect`.
            corrupted: The prompt that is run with them, with the same number of tokens.
            metric: What to measure, as for `effect`; the most probable token is that after the clean prompt.
            of: `"heads"` (their outputs before W_O, at all positions) or `"edges"` (the weight of a key for a query in one head,
                without renormalizing the row).
            answer: As for `effect`.
            foil: As for `effect`.
            position: As for `effect`.
            stack: The stack of the heads, where the model has several: by default the decoder.
            layers: Restrict the estimates to these layers.
            confirm: How many of the largest estimates to patch for real, beside as many others drawn at random.
            seed: The seed of that draw.
            target: For encoder-decoder models, what the decoder reads for both prompts.
            observer: An `Observer`, which can cancel.

        Raises:
            InputError: The prompts do not align, there are too many edges, or an argument cannot be used.
            UnsupportedError: The model or the metric is not differentiable.
            CancelledError: The observer cancelled.
        """
        asked = AttributionQuestion(of, stack, layers, confirm, seed)
        first, second = (prompt_of(self._handle, text, target=target, observer=observer) for text in (clean, corrupted))
        return attribution_of(first, second, asked, MetricArguments(metric, answer, foil, position), observer)

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Generator[nn.Module]:
        """Apply edits to calls of `hf_model` (and of its `generate`) inside a `with` block, in this thread only.

        The block's value is the edited model: a clone in eval mode that shares the weights and that any thread may call until the
        block ends. It has the hooks that `hf_model` has when the block begins. A nested block replaces the outer one's edits.
        Positions count from the first token of the input, also during generation with a cache.

        Raises:
            InputError: An edit does not fit the model.
            UnsupportedError: The model cannot be cloned or edited.
        """
        probed = self._handle.probed
        plan = plan_for(probed.architecture, edits, title=probed.title) or Plan((), {})
        with edited_run(self.hf_model, probed, plan) as clone:
            yield clone

    def bake(self, edits: Sequence[Edit]) -> Any:
        """Return a copy of `hf_model` with edits written into its weights; `save_pretrained(folder)` saves it.

        Only `ScaleHead` and `ScaleNeuron` can be expressed as weights.

        Raises:
            UnsupportedError: Another kind of edit, or weights that are unknown (a norm after the projection, one dimension of a
                rotary pair, weights shared between layers).
            InputError: An edit does not fit the model.
        """
        if has_adapter(self.hf_model):
            raise UnsupportedError(_NO_BAKING)
        probed = self._handle.probed
        return bake_weights(probed, plan_for(probed.architecture, edits, title=probed.title))

    def bake_problems(self, edits: Sequence[Edit], trace: Trace | None = None) -> list[str | None]:
        """For each edit, why `bake` cannot write it into the weights, as a sentence; None if it can.

        Whether the new weights give the result of the edits is only verified by `bake` itself. Words in edits are looked up in
        `trace`. Raises `InputError` for an edit that does not fit the model or the trace, and `UnsupportedError` if the model
        cannot be edited at all.
        """
        handle = self._handle if trace is None else self._handle.tower_for(trace.inputs)
        probed = handle.probed_for(trace.inputs) if trace is not None and trace.inputs else handle.probed
        sizes, further, sides = (
            (None,) * 3 if trace is None else (prompt_sizes(trace), generated_tokens(trace), trace.sides)
        )
        plan = plan_for(probed.architecture, edits, title=probed.title, sizes=sizes, further=further, sides=sides)
        if plan is not None and has_adapter(self.hf_model):
            return [_NO_BAKING] * len(plan.edits)
        return bake_problems(probed, plan)

    @property
    def adapter(self) -> bool:
        """Whether PEFT put an adapter into the model, so that there is a `without_adapter`."""
        return has_adapter(self.hf_model)

    def without_adapter(self) -> Model:
        """The same model with its adapters off, as a model of its own. It shares the weights; your model keeps its adapters.

        Raises:
            InputError: The model has no adapter.
            UnsupportedError: The weights of the base model are not those from before the adapter: it is merged into them, or was
                trained with changes of them.
        """
        return Model(
            bare_model(self.hf_model),
            self._handle.given_processor,
            name=f"{self.name}{ADAPTER_OFF}",
            title=f"{self.title}{ADAPTER_OFF}",
            revision=self.revision,
            quantization=self.quantization,
        )

    def changes(self, trace: Trace) -> dict[str, Changes]:
        """What edits can change in each stack of a trace that this model made, and why something cannot be changed."""
        return changes_of(self._handle, trace)


def handle_of(model: Model) -> ModelHandle:
    """The handle of a model, for modules above this one; it is not part of the public API."""
    return model._handle  # pyright: ignore[reportPrivateUsage] - the same module
