"""One pass through a model as the stacks of a trace: captured, or as the model reports them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord, WeightsRecord
from attnscope.capture import (
    Capture,
    Recorder,
    capture,
    capture_on,
    pass_options,
    prepared,
    prepared_for_capture,
    run_untouched,
)
from attnscope.edits.plan import Plan
from attnscope.errors import AttnscopeError, InputError, UnsupportedError
from attnscope.model.architecture.layer_index import by_layer, ordered
from attnscope.model.architecture.output_attentions import reported_weights
from attnscope.model.architecture.probe import NotRunError, StackArchitecture
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.architecture.rope import kept_angles
from attnscope.model.hf.module_info import input_device
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.tracing.certify import certify, placed, reported_certificate, shown
from attnscope.model.tracing.lazy_logits import BaseOutput
from attnscope.trace import Certificate
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer

_BY_OWN_WEIGHTS = "Only attention weights are shown: attnscope's own arithmetic does not give them."


@contextmanager
def taken_as_said(module: nn.Module, encoded: ModelInputs, title: str) -> Generator[None]:
    """Raise `InputError` where a model itself does not run over inputs that were made elsewhere, with what it says of them."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if not encoded.ready or (isinstance(error, AttnscopeError) and not isinstance(error, NotRunError)):
            raise
        own = error.__cause__ if isinstance(error, NotRunError) else _own_failure(module, encoded)
        if own is None:
            raise
        said = str(own).partition("\n")[0].rstrip(".")
        raise InputError(f"{title} does not run over these inputs ({type(own).__name__}: {said}).") from own


def _own_failure(module: nn.Module, encoded: ModelInputs) -> Exception | None:
    """Why an untouched pass over the inputs fails; None where it does not."""
    device = input_device(module)
    inputs = {name: tensor.to(device) for name, tensor in encoded.inputs.items()}
    try:
        run_untouched(module, inputs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to whoever gave the inputs
        return error
    return None


@dataclass(frozen=True)
class PassResult:
    """What one pass left behind."""

    stacks: dict[str, TracedStack]
    certificate: Certificate
    output: Any
    base: BaseOutput
    warnings: tuple[str, ...] = ()


def run(
    probed: ProbedModel, inputs: Mapping[str, Tensor], observer: Observer | None, plan: Plan | None = None
) -> PassResult:
    """Run `inputs` through the model, edited by the plan, and keep what its attention was computed from.

    Raises `UnsupportedError` where that cannot be shown exactly, `CancelledError` where the observer wants it to stop.
    """
    if probed.architecture.route == "reported":
        return _reported(probed, inputs)
    passed = _captured(probed, inputs, observer, plan)
    if not passed.certificate.ok:
        stacks, certificate = _by_own_weights(probed, inputs, passed.certificate, observer, plan)
        passed = replace(passed, stacks=stacks, certificate=certificate, warnings=(*passed.warnings, _BY_OWN_WEIGHTS))
    return _with_reported(probed, inputs, passed) if probed.architecture.outside else passed


def _with_reported(probed: ProbedModel, inputs: Mapping[str, Any], passed: PassResult) -> PassResult:
    """The captured stacks, and those that the model computes outside the interface as it reports them."""
    other = _reported(probed, inputs)
    stacks = ordered({**passed.stacks, **other.stacks})
    layers = ordered({**passed.certificate.stacks, **other.certificate.stacks})
    certificate = Certificate.of(layers, probed.tolerance, "sampled")
    return replace(passed, stacks=stacks, certificate=certificate, warnings=(*passed.warnings, certificate.sentence))


def check_sizes(stacks: Mapping[str, TracedStack], sizes: Mapping[str, int], title: str) -> None:
    """Raise `UnsupportedError` where a layer has other queries or keys than its sides have tokens."""
    for stack in stacks.values():
        tokens = sizes[stack.query_side], sizes[stack.key_side]
        for layer, record in enumerate(stack.records):
            if record is not None and (record.queries, record.keys) != tokens:
                there = tokens[0] if tokens[0] == tokens[1] else f"{tokens[0]} and {tokens[1]}"
                raise UnsupportedError(
                    f"{title} is not shown: in layer {layer} {record.queries} queries look at {record.keys} keys, and there are "
                    f"{there} tokens."
                )


def _captured(
    probed: ProbedModel, inputs: Mapping[str, Any], observer: Observer | None, plan: Plan | None
) -> PassResult:
    architecture = probed.architecture
    with prepared_for_capture(probed.module) as clone:
        recorder = Recorder(observer=observer, places=architecture.places, plan=plan)
        base = BaseOutput(clone)
        try:
            captured = capture_on(clone, inputs, recorder, **_last_logits_only(inputs))
        finally:
            base.close()
        # A long text may have changed the angles (dynamic scaling): then what the probe saw does not hold for it.
        turning = kept_angles(clone) == architecture.angles
    stacks = stacks_of(probed, captured.calls)
    if turning:
        stacks = {name: replace(one, rotary=list(architecture.stacks[name].rotary)) for name, one in stacks.items()}
    said = (*(plan.warnings if plan else ()), *captured.notes)
    return PassResult(stacks, certify(captured.calls, probed.tolerance), captured.output, base, said)


def _last_logits_only(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """As a tensor: given the number 1, models whose last layers share keys (Gemma 4) compute these for one query."""
    ids = inputs.get("decoder_input_ids", inputs.get("input_ids"))
    return {} if ids is None else {"logits_to_keep": torch.tensor([ids.shape[1] - 1])}


def _by_own_weights(
    probed: ProbedModel, inputs: Mapping[str, Any], failed: Certificate, observer: Observer | None, plan: Plan | None
) -> tuple[dict[str, TracedStack], Certificate]:
    """The weights that the model's eager functions return, where those do give its output."""
    places = probed.architecture.places
    calls = capture(probed.module, inputs, places=places, plan=plan, observer=observer, keep_weights=True).calls
    certificate = certify(calls, probed.tolerance)
    if not certificate.ok:
        raise UnsupportedError(f"{probed.title} is not shown for this text. {failed.sentence}")
    return stacks_of(probed, calls), certificate


def stacks_of(probed: ProbedModel, calls: Sequence[Capture]) -> dict[str, TracedStack]:
    """The stacks of a whole pass. Raises `UnsupportedError` where a call cannot be shown, or is not where the probe had it."""
    refused = next((call.refusal for call in shown(calls) if call.refusal), None)
    if refused:
        raise UnsupportedError(refused)
    by_stack: dict[str, list[Capture]] = {}
    for call in calls:
        by_stack.setdefault(placed(call).stack, []).append(call)
    if not probed.architecture.places.complete(Counter(call.name for call in calls)):
        raise UnsupportedError(
            f"{probed.title} computes attention {len(calls)} times for this input and {len(probed.architecture.places)} times "
            "when it was looked at first, so it is not known which layer is which."
        )
    stacks = probed.architecture.stacks
    return {name: _stack(stack, by_stack[name]) for name, stack in stacks.items() if not stack.reported}


def _stack(architecture: StackArchitecture, calls: Sequence[Capture]) -> TracedStack:
    numbers, depth = [placed(call).layer for call in calls], len(architecture.shapes)
    read = [_read(architecture, call) for call in calls]
    records: list[LayerRecord | None] = by_layer(numbers, [record for record, _ in read], depth)
    return TracedStack(
        records=records,
        causal=architecture.causal,
        query_side=architecture.query_side,
        key_side=architecture.key_side,
        projections=by_layer(numbers, [projection for _, projection in read], depth),
    )


def _read(architecture: StackArchitecture, call: Capture) -> tuple[LayerRecord, nn.Module | None]:
    """The record of a call, with its gate where it has one, and the projection that reads it."""
    if call.gate is None:
        return call.record, call.projection
    if placed(call).layer not in architecture.gated or not isinstance(call.record, QKRecord):
        return call.record, None
    return replace(call.record, gate=call.gate), call.projection


def _reported(probed: ProbedModel, inputs: Mapping[str, Any]) -> PassResult:
    with prepared(probed.module, None) as clone, torch.no_grad():
        base = BaseOutput(clone)
        try:
            output = clone(**inputs, **pass_options(clone, output_hidden_states=True))
        finally:
            base.close()
    found, error, _ = reported_weights(probed.module, inputs, output, probed.architecture.outside)
    certificate = reported_certificate(found, error, probed.tolerance, "sampled")
    stacks: dict[str, TracedStack] = {}
    for name, weights in found.items():
        architecture = probed.architecture.stacks[name]
        records: list[LayerRecord | None] = [None if one is None else WeightsRecord(one) for one in weights]
        stacks[name] = TracedStack(records, architecture.causal, architecture.query_side, architecture.key_side)
    return PassResult(stacks, certificate, output, base, (certificate.sentence,))
