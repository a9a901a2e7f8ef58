"""The certificate: part (b) for every trace, all three parts on request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from attnscope.attention import QKRecord
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.capture import Capture, CapturedPass, Place, capture, run_untouched, virtual_tokens
from attnscope.edits.plan import Plan
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.layer_index import ordered
from attnscope.model.architecture.output_attentions import Weights, eager_weights, reported_weights
from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.hidden_states import differences_by_layer
from attnscope.model.hf.module_info import is_encoder_decoder, tolerance_for
from attnscope.trace import Certificate, LayerCertificate
from attnscope.trace.certificate import Scope
from attnscope.types import Observer

_LOG = logging.getLogger(__name__)


def certify(
    calls: Sequence[Capture], tolerance: float, scope: Scope = "sampled", note: str | None = None
) -> Certificate:
    """Check part (b) on the rows that the recorder sampled. `note` goes to all layers that have no note of their own."""
    layers: dict[str, list[LayerCertificate]] = {}
    for call in shown(calls):
        place, error = placed(call), weighted_values_error(call)
        one = LayerCertificate(place.layer, ok=error <= tolerance, weighted_values=error, note=call.unsupported or note)
        layers.setdefault(place.stack, []).append(one)
    return Certificate.of(ordered(layers), tolerance, scope)


def reported_certificate(
    found: Mapping[str, Weights], hidden: float | None, tolerance: float, scope: Scope
) -> Certificate:
    """The certificate of weights that the model reports itself. Only part (a) can be checked."""
    layers = {
        name: [
            LayerCertificate(i, ok=True, hidden_states=hidden, note="reported by the model")
            for i, one in enumerate(weights)
            if one is not None
        ]
        for name, weights in found.items()
    }
    return Certificate.of(layers, tolerance, scope)


def weighted_values_error(call: Capture, weights: Tensor | None = None) -> float:
    """The error of part (b): Σ_j α_ij v_j against the attention function's output, over the sampled rows that have keys.

    The error is relative to the largest output. `weights` [heads, queries, keys] replace the record's own attention if given,
    in order to judge eager weights.
    """
    record = call.record
    heads = torch.arange(record.shape.heads)
    values = record.v if isinstance(record, QKRecord) else call.values
    if values is None:
        raise UnsupportedError("The value vectors of this layer were not recorded, so its weights cannot be checked.")
    values = values.float().cpu()[heads * values.shape[0] // len(heads)]
    worst, scale = 0.0, float(call.output.abs().max()) if call.output.numel() else 0.0
    offset = 0
    for rows in call.rows.split(ROWS_AT_ONCE):
        alpha = record.attention(heads, rows) if weights is None else weights[:, rows]
        expected = call.output[offset : offset + len(rows)].transpose(0, 1)
        offset += len(rows)
        open_ = record.mask.has_keys(rows) if isinstance(record, QKRecord) else alpha.sum(-1).ne(0).any(0)
        difference = ((alpha @ values) - expected)[:, open_]
        if difference.numel():
            worst = max(worst, float(difference.abs().max().nan_to_num(torch.inf)))
    return worst / scale if scale > 0 else worst


def full_certificate(
    model: nn.Module, architecture: Architecture, inputs: Mapping[str, Any], observer: Observer | None
) -> Certificate:
    """Check parts (a), (b) and (c) over every row of every head, by layer."""
    tolerance = tolerance_for(model)
    untouched = run_untouched(model, inputs, output_hidden_states=True)
    if architecture.route == "reported":
        found, error, _ = reported_weights(model, inputs, untouched, architecture.outside)
        return reported_certificate(found, error, tolerance, "full")
    captured = _captured(model, architecture, inputs, observer)
    if any(weighted_values_error(call) > tolerance for call in shown(captured.calls)):
        # a trace of this model shows the weights that its eager function returns
        captured = _captured(model, architecture, inputs, observer, keep_weights=True)
    across, virtual = is_encoder_decoder(model), virtual_tokens(model)
    reported = _eager_weights(model, inputs, encoder_decoder=across)
    layers: dict[str, list[LayerCertificate]] = {}
    for name, stack in architecture.stacks.items():
        if stack.reported:
            continue
        calls = [call for call in captured.calls if placed(call).stack == name]
        reported_name = name if across or name == "vision" else ""
        weights = [one for one in reported.get(reported_name, ()) if isinstance(one, Tensor)]
        states = differences_by_layer(untouched, captured.output, name if across else "", len(stack.shapes))
        if virtual is not None and virtual.keys_only:
            weights = [pad(one, (0, 0, virtual.count, 0)) for one in weights]
        references = weights if len(weights) == len(calls) else [None] * len(calls)
        layers[name] = [
            _layer(placed(call).layer, call, states.get(placed(call).layer), one, tolerance)
            for call, one in zip(calls, references, strict=True)
        ]
    if architecture.outside:
        found, error, _ = reported_weights(model, inputs, untouched, architecture.outside)
        layers |= reported_certificate(found, error, tolerance, "full").stacks
    return Certificate.of(ordered(layers), tolerance, "full")


def _eager_weights(
    model: nn.Module, inputs: Mapping[str, Any], *, encoder_decoder: bool
) -> Mapping[str, Sequence[Tensor | None]]:
    """The weights of an eager pass; empty if the model's own code fails in eager mode (Llama 4's vision tower)."""
    try:
        eager = run_untouched(model, inputs, implementation="eager", output_attentions=True)
    except (AttributeError, LookupError, TypeError, ValueError):
        _LOG.info("%s fails when it returns its eager attention weights.", type(model).__name__, exc_info=True)
        return {}
    return eager_weights(eager, encoder_decoder=encoder_decoder)


def edited_certificate(
    model: nn.Module, architecture: Architecture, inputs: Mapping[str, Any], plan: Plan, observer: Observer | None
) -> Certificate:
    """Check part (b) over every row of an edited pass. An untouched pass and eager weights are no reference for it."""
    edited = capture(model, inputs, places=architecture.places, plan=plan, observer=observer, sample=0)
    note = "edited pass: compared only with its own attention output"
    return certify(edited.calls, tolerance_for(model), "full", note)


def _captured(
    model: nn.Module,
    architecture: Architecture,
    inputs: Mapping[str, Any],
    observer: Observer | None,
    *,
    keep_weights: bool = False,
) -> CapturedPass:
    """A captured pass in which every row is compared."""
    return capture(
        model,
        inputs,
        places=architecture.places,
        observer=observer,
        sample=0,
        keep_weights=keep_weights,
        output_hidden_states=True,
    )


def shown(calls: Sequence[Capture]) -> list[Capture]:
    """The calls that belong to a stack that is shown."""
    return [call for call in calls if placed(call).shown]


def placed(call: Capture) -> Place:
    """The place of a call. Raises `UnsupportedError` for a module that computed no attention during the probe."""
    if call.place is None:
        raise UnsupportedError(
            f"{call.name} computes attention for this input, but not during the probe, so attnscope cannot tell "
            "which layer it belongs to."
        )
    return call.place


def _layer(
    number: int, call: Capture, hidden: float | None, reported: Tensor | None, tolerance: float
) -> LayerCertificate:
    own = weighted_values_error(call)
    notes = [call.unsupported] if call.unsupported else []
    eager: float | None = None
    if reported is None:
        notes.append("the model reports no eager weights for this layer")
    elif tuple(reported.shape[1:]) != (call.record.shape.heads, call.record.queries, call.record.keys):
        notes.append(f"the eager weights have the shape {tuple(reported.shape[1:])}")
    elif weighted_values_error(call, reported[0].float().cpu()) > tolerance:
        notes.append(
            "the eager weights are not a valid reference: times the value vectors, they do not give the layer's output"
        )
    else:
        eager = _weights_error(call, reported[0].float().cpu())
    errors = [error for error in (own, hidden, eager) if error is not None]
    ok = not call.unsupported and all(error <= tolerance for error in errors)
    return LayerCertificate(number, ok, own, hidden, eager, "; ".join(notes) or None)


def _weights_error(call: Capture, reported: Tensor) -> float:
    heads = torch.arange(call.record.shape.heads)
    worst = 0.0
    for rows, alpha in call.record.tiles(heads):
        difference = (alpha - reported[:, rows]).abs()
        if isinstance(call.record, QKRecord):
            difference = difference[:, call.record.mask.has_keys(rows)]
        if difference.numel():
            worst = max(worst, float(difference.max()))
    return worst
