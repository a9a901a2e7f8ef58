"""`Model`: a transformers model and its tokenizer, ready to be traced. The model itself is never switched or changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from attnscope.display import Displayed
from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.editable import Editable
from attnscope.model.generation.generate import Task, as_traced, generate, prompt_of
from attnscope.model.generation.result import Generation, OnToken, Wanted
from attnscope.model.hf.module_info import (
    is_encoder_decoder,
    target_vocabulary_size,
)
from attnscope.model.inputs.audio import hears, times
from attnscope.model.inputs.decoder_inputs import Target, targets_of, with_target
from attnscope.model.inputs.encode import Batch, Text, batch_of
from attnscope.model.inputs.features import with_positions
from attnscope.model.inputs.image_tokens import (
    with_patches,
)
from attnscope.model.inputs.images import check_alone, is_list_of_pictures
from attnscope.model.inputs.model_inputs import Encoded
from attnscope.model.inputs.preprocessor import Encoding
from attnscope.model.interpretation import Residual
from attnscope.model.interpreted import Interpreted
from attnscope.model.tracing.certify import edited_certificate, full_certificate
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.lazy_logits import lazy_logits
from attnscope.model.tracing.predictions import predictions_of
from attnscope.model.tracing.provenance import provenance
from attnscope.model.tracing.run import check_sizes, run, taken_as_said
from attnscope.trace import Certificate, Trace
from attnscope.types import Observer


class Model(Displayed, Interpreted, Editable, Encoding):
    """A model that can be traced.

    `hf_model` is any transformers model for text or pictures, `tokenizer` its tokenizer (or None: then texts are given as token
    ids), its image processor, or the full processor of an image-text model (`processor`; `tokenizer` is then its tokenizer).
    `module` is what is run: `hf_model` itself, or what `torch.compile` wrapped. Every pass runs on a structural clone that
    shares the weights, so the model stays as it is: attention implementation, configs, training mode, hooks, dtype and
    device, also while other threads use it.
    """

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
        text: Text | Batch | Image.Image | Path | bytes | np.ndarray,
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
          of a pass of its own, so that it is the same as if it had been traced alone. So does a list of pictures.

        - a picture, for a model that reads pictures: a PIL image, a path, the bytes of a file, or an array [height, width, 3].
          Tokens are then the patches, with their `box`. To a model that reads text as well, a string is a text; its pictures are
          passed beside it with `image` (one or several).

        An encoder-decoder model reads `text` as its source, and `target` with its decoder: a text, or the token ids that the
        decoder reads, or a mapping of `decoder_input_ids` or `labels`. Without one, its own greedy output is the target. For a
        batch, `target` is a list of as many.

        With `max_tokens`, a longer text is cut to so many tokens, special ones included, and the trace says so in its
        `warnings`. With `edits` (`attnscope.edits`) they are made in the pass, and the trace records them; a target of the
        model's own is that of the model without them. An `observer` is told of every layer and may cancel.

        Raises `InputError` for a text that cannot be traced (`TooLongError` where the model has no positions for it),
        `MissingError` for a text without a tokenizer, `RefusedError` where the attention cannot be shown exactly,
        `CancelledError`.
        """
        if image is None and is_list_of_pictures(text):
            aims = targets_of(target, len(text))
            traces = [
                self.trace(one, pair, target=aim, max_tokens=max_tokens, edits=edits, observer=observer)
                for one, aim in zip(text, aims, strict=True)
            ]
            return cast("list[Trace]", traces)
        if image is not None or self._is_picture(text):
            source, aim = self._parted(cast("Any", text), cast("Target | None", target))
            encoded = self._encoded_pictures(source, image)
            check_alone(pair, max_tokens)
            if is_encoder_decoder(self.module):
                encoded = with_target(self.module, self.tokenizer, self._read, encoded, aim, observer)
            return self._trace_encoded(encoded, edits, observer)
        batch = batch_of(cast("Text | Batch", text), pair)
        if batch is None:
            one = cast("Target | None", target)
            return self._trace_one(cast("Text", text), cast("str | None", pair), one, max_tokens, edits, observer)
        targets = targets_of(target, len(batch))
        return [
            self._trace_one(one, other, aim, max_tokens, edits, observer)
            for (one, other), aim in zip(batch, targets, strict=True)
        ]

    def _trace_one(
        self,
        text: Text,
        pair: str | None,
        target: Target | None,
        max_tokens: int | None,
        edits: Sequence[Edit],
        observer: Observer | None,
    ) -> Trace:
        return self._trace_encoded(self._encoded(text, pair, target, max_tokens, observer), edits, observer)

    def _trace_encoded(self, encoded: Encoded, edits: Sequence[Edit], observer: Observer | None) -> Trace:
        tower = self._tower(encoded.inputs)
        if tower is not self:
            return tower._trace_encoded(encoded, edits, observer)
        with taken_as_said(self.module, encoded, self.title):
            return self._traced(encoded, edits, observer)

    def _traced(self, encoded: Encoded, edits: Sequence[Edit], observer: Observer | None) -> Trace:
        inputs = self._inputs(encoded)
        architecture = self._architecture_for(inputs)
        probed = ProbedModel(self.module, architecture, self.title)
        if "pixel_values" in inputs:
            encoded = with_patches(self.module, architecture, encoded, inputs, self._patches)
        heard = hears(self.module)  # how many positions there are is known afterwards
        counted = all(encoded.sides.values()) and not heard
        sizes = None if not counted else {side: len(tokens) for side, tokens in encoded.sides.items()}
        plan = plan_for(architecture, edits, title=self.title, sizes=sizes)
        made = () if plan is None else plan.edits
        passed = run(probed, inputs, observer, plan)
        if heard:
            first = next(iter(passed.stacks.values()))
            count = next(record.keys for record in first.records if record is not None)
            encoded = replace(encoded, tokens=times(self._hearing, inputs, count))
        encoded = with_positions(encoded, passed.stacks)
        check_sizes(passed.stacks, {side: len(tokens) for side, tokens in encoded.sides.items()}, self.title)
        given = getattr(passed.output, "logits", None)
        logits = given if isinstance(given, Tensor) else None
        return Trace(
            sides=encoded.sides,
            stacks=passed.stacks,
            certificate=passed.certificate,
            provenance=provenance(self, encoded, inputs, made),
            warnings=[*encoded.warnings, *passed.warnings, *architecture.notes],
            next_tokens=self._next(logits) if "decoder" in passed.stacks else None,
            predictions=predictions_of(self.module, self.tokenizer, passed.output, encoded, self._read),
            logits=lazy_logits(self.module, inputs, passed.base, _last_logits(logits)),
            inputs=inputs,
            images=encoded.images,
            edits=made,
        )

    def generate(
        self,
        text: Text,
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
        `on_token` is told of each token as soon as it is chosen. Raises `RefusedError` for a model that generates nothing,
        `InputError` for a text, an edit or a setting that cannot be used, `CancelledError`.
        """
        wanted = Wanted.of(max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop)
        return self.generate_wanted(
            text, wanted, pair=pair, target=target, edits=edits, on_token=on_token, observer=observer
        )

    def generate_wanted(
        self,
        text: Text,
        wanted: Wanted,
        *,
        pair: str | None = None,
        target: Target | None = None,
        edits: Sequence[Edit] = (),
        on_token: OnToken | None = None,
        observer: Observer | None = None,
    ) -> Generation:
        """`generate` with settings that were checked before."""
        encoded = prompt_of(self.module, self.tokenizer, self._read, text, pair, target)
        inputs = self._inputs(encoded)
        probed = ProbedModel(self.module, self._architecture_for(as_traced(self.module, inputs)), self.title)
        task = Task(self, self.tokenizer, self._read, encoded, inputs, probed, edits)
        return generate(task, wanted, on_token=on_token, observer=observer)

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
        pictured = self._is_picture(text)
        encoded = self._encoded_pictures(text, None) if pictured else self._encoded(text, pair, target, None, observer)
        if pictured:
            check_alone(pair, None)
        tower = self._tower(encoded.inputs)
        if tower is not self:
            return tower.check(encoded.inputs, observer=observer)
        with taken_as_said(self.module, encoded, self.title):
            inputs = self._inputs(encoded)
            return full_certificate(self.module, self._architecture_for(inputs), inputs, observer)

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """The full certificate of the input of a trace."""
        if not trace.inputs:
            raise InputError(
                "This trace was not made by a model of this session, so its input is not there to be run again."
            )
        module, architecture = (
            self._tower(trace.inputs).module,
            self._tower(trace.inputs)._architecture_for(trace.inputs),
        )
        plan = plan_for(architecture, trace.edits, title=self.title)
        if plan is not None:
            return edited_certificate(module, architecture, trace.inputs, plan, observer)
        return full_certificate(module, architecture, trace.inputs, observer)

    @property
    def residual(self) -> Residual:
        """The residual stream: its blocks, final norm and unembedding, looked for when first asked about."""
        return Residual(self.module, self.tokenizer, self._read, self._architecture_for, self.trace, self._streams)

    def residual_of(self, trace: Trace) -> Residual:
        """That of the part of the model that ran for this trace."""
        return (self._tower(trace.inputs) if trace.inputs else self).residual

    def _next(self, logits: Tensor | None) -> list[tuple[str, int, float]] | None:
        if logits is None or logits.ndim != 3:
            return None
        if logits.shape[-1] < (target_vocabulary_size(self.module) or 0):  # labels of the tokens, not tokens
            return None
        top = torch.softmax(logits[0, -1].float(), dim=-1).topk(min(5, logits.shape[-1]))
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return [(self._read(ident).text, ident, probability) for ident, probability in pairs]


def _last_logits(logits: Tensor | None) -> Tensor | None:
    if logits is None:
        return None
    return (logits[0, -1] if logits.ndim == 3 else logits[0]).float().cpu()
