"""Traces, models and certificates as JSON fields of a response (docs/reference/wire.md)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from attnscope.model.tracing.changes import Changes
from attnscope.session.messages.answer import TokenFields
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText, StoredTrace
from attnscope.trace import Certificate, LayerCertificate, Trace
from attnscope.trace.prediction import prediction_fields
from attnscope.trace.rotary import rotary_fields
from attnscope.types import Stack, token_fields


@dataclass(frozen=True)
class Example:
    """An example input that the page offers. `figure` is the figure of the paper that it reproduces.

    `layer`, `heads` and `query` are what the page selects when it opens the example; `query` names a query token by a word of
    the text. `view` is the view that the figure shows: the head view beside the others, the model view alone in full width,
    or the neuron view.
    """

    title: str
    text: str
    pair: str | None = None
    model: str | None = None
    figure: str | None = None
    layer: int | None = None
    heads: tuple[int, ...] | None = None
    query: str | None = None
    view: Literal["head", "model", "neuron"] = "head"


class ModelFields(TypedDict):
    """The model that made a trace. `name` is null if a `run` cannot use it."""

    name: str | None
    title: str | None
    kind: str
    dtype: str | None
    quantization: str | None
    parameters: int | None


class InputFields(TypedDict):
    """The input of a trace. A chat has `messages`, and its `text` is the output of the chat template."""

    text: str
    pair: str | None
    target: str | None
    messages: NotRequired[list[dict[str, Any]]]
    continue_final_message: NotRequired[bool]


class StackFields(TypedDict):
    """One stack of a trace. `shapes` has one entry per layer, null for a layer without attention.

    `changes` says for each place of a change why it cannot be made; null if it can. Without a model it is absent.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    causal: bool
    query: str
    key: str
    rotary: Any
    shapes: list[dict[str, int] | None]
    changes: NotRequired[dict[str, str | None]]


class LayerCertificateFields(TypedDict):
    """The errors of one layer; null if not compared or not finite."""

    layer: int
    ok: bool
    weighted_values: float | None
    hidden_states: float | None
    eager_weights: float | None
    note: str | None


class CertificateFields(TypedDict):
    """A certificate. Numbers that are not finite are null, since JSON cannot represent them.

    `recorded` is true if it was read from a file, and not measured again.
    """

    ok: bool
    max_error: float | None
    tolerance: float | None
    scope: str
    sentence: str
    recorded: bool
    stacks: dict[str, list[LayerCertificateFields]]


class ImageFields(TypedDict):
    """The size of an image. Its bytes are a tensor."""

    width: int
    height: int


class NextFields(TokenFields):
    """A likely next token."""

    probability: float


class TraceFields(TypedDict):
    """The fields of a `trace` response. The final response of a generation also has `generation`."""

    trace: str
    model: ModelFields
    input: InputFields
    tokens: dict[str, list[dict[str, Any]]]
    stacks: dict[str, StackFields]
    images: list[ImageFields]
    edits: list[dict[str, Any]]
    warnings: list[str]
    certificate: CertificateFields
    next: list[NextFields] | None
    predictions: list[dict[str, Any]]


def trace_fields(stored: StoredTrace) -> TraceFields:
    """The fields of a `trace` response."""
    trace = stored.trace
    following = trace.next_tokens
    changes = {} if stored.model is None else stored.model.changes(trace)
    return {
        "trace": trace.id,
        "model": _model_of(trace) if stored.model is None else model_fields(stored.model),
        "input": _input_fields(stored.input),
        "tokens": {side: [token_fields(token) for token in tokens] for side, tokens in trace.sides.items()},
        "stacks": {name: _stack_fields(trace, name, stack, changes.get(name)) for name, stack in trace.stacks.items()},
        "images": [{"width": image.width, "height": image.height} for image in trace.images],
        "edits": list(trace.provenance.get("edits") or ()),
        "warnings": list(trace.warnings),
        "certificate": certificate_fields(trace.certificate),
        "next": None
        if following is None
        else [{"text": text, "id": ident, "probability": probability} for text, ident, probability in following],
        "predictions": [prediction_fields(one) for one in trace.predictions],
    }


def trace_arrays(trace: Trace) -> dict[str, np.ndarray]:
    """The tensors of a `trace` response: the bytes of each image as a PNG or JPEG file."""
    return {f"image_{i}": np.frombuffer(image.data, np.uint8) for i, image in enumerate(trace.images)}


def _input_fields(text: InputText) -> InputFields:
    fields: InputFields = {"text": text.text, "pair": text.pair, "target": text.target}
    if not text.messages:
        return fields
    continued: InputFields = {**fields, "messages": text.messages}
    return {**continued, "continue_final_message": True} if text.continue_final_message else continued


def model_fields(model: ModelLike) -> ModelFields:
    """The JSON fields of the model that made a trace."""
    return {
        "name": model.name,
        "title": model.title,
        "kind": model.kind,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "parameters": model.parameters,
    }


def _model_of(trace: Trace) -> ModelFields:
    """The JSON fields of the model of a trace without its model, read from the provenance."""
    provenance = trace.provenance
    return {
        "name": None,
        "kind": next(iter(trace.stacks)),
        "title": provenance.get("title"),
        "dtype": provenance.get("dtype"),
        "quantization": provenance.get("quantization"),
        "parameters": provenance.get("parameters"),
    }


def certificate_fields(certificate: Certificate) -> CertificateFields:
    """A certificate as JSON."""
    return {
        "ok": certificate.ok,
        "max_error": _finite(certificate.max_error),
        "tolerance": _finite(certificate.tolerance),
        "scope": certificate.scope,
        "sentence": certificate.sentence,
        "recorded": certificate.recorded,
        "stacks": {name: [_layer_fields(layer) for layer in layers] for name, layers in certificate.stacks.items()},
    }


def trace_bytes(model: ModelLike, tokens: int) -> int:
    """The approximate size of a trace with this many tokens: q, k and v of every layer, in bytes."""
    width = {"float16": 2, "bfloat16": 2, "float64": 8}.get(model.dtype.removeprefix("torch."), 4)
    numbers = 0
    for stack in model.stacks.values():
        for shape in stack.shapes:
            if shape is not None:
                numbers += shape.heads * shape.qk_dim + shape.kv_heads * (shape.qk_dim + shape.v_dim)
    return numbers * tokens * width


def _layer_fields(layer: LayerCertificate) -> LayerCertificateFields:
    return {
        "layer": layer.layer,
        "ok": layer.ok,
        "weighted_values": _finite(layer.weighted_values),
        "hidden_states": _finite(layer.hidden_states),
        "eager_weights": _finite(layer.eager_weights),
        "note": layer.note,
    }


def _stack_fields(trace: Trace, name: str, stack: Stack, changes: Changes | None) -> StackFields:
    traced = trace.traced_stack(name)
    fields: StackFields = {
        "layers": stack.layers,
        "heads": stack.heads,
        "kv_heads": stack.kv_heads,
        "head_dim": stack.head_dim,
        "causal": traced.causal,
        "query": traced.query_side,
        "key": traced.key_side,
        "rotary": rotary_fields(traced.records, traced.rotary),
        "shapes": [None if shape is None else asdict(shape) for shape in stack.shapes],
    }
    return fields if changes is None else {**fields, "changes": asdict(changes)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
