"""Run one forward pass and return the stacks of a trace: captured, or as the model reports them."""

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
    capture_on,
    capture_rows,
    pass_options,
    prepared,
    prepared_for_capture,
    run_untouched,
    standalone,
    virtual_tokens,
)
from attnscope.edits.plan import Plan
from attnscope.errors import AttnscopeError, InputError, UnsupportedError
from attnscope.model.architecture.layer_index import by_layer, ordered
from attnscope.model.architecture.output_attentions import reported_weights
from attnscope.model.architecture.probe import ProbeFailedError, StackArchitecture
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.architecture.rope import buffered_angles
from attnscope.model.hf.hidden_states import overflow
from attnscope.model.hf.module_info import first_dtype, input_device
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.tracing.certify import certify, placed, reported_certificate, shown
from attnscope.model.tracing.lazy_logits import BaseOutput, output_of_row
from attnscope.trace import Certificate
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer

_ONLY_WEIGHTS = "Only attention weights are shown, because attnscope could not reproduce them from queries and keys."


@contextmanager
def explain_failure(module: nn.Module, encoded: ModelInputs, title: str) -> Generator[None]:
    """Raise `InputError` with the model's own message if the model itself fails on ready inputs."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if not encoded.ready or (isinstance(error, AttnscopeError) and not isinstance(error, ProbeFailedError)):
            raise
        failed_probe = isinstance(error, ProbeFailedError)
        failure = error.__cause__ if failed_probe else _failure_without_attnscope(module, encoded)
        if failure is None:
            raise
        message = str(failure).partition("\n")[0].rstrip(".")
        raise InputError(f"{title} fails on these inputs ({type(failure).__name__}: {message}).") from failure


def _failure_without_attnscope(module: nn.Module, encoded: ModelInputs) -> Exception | None:
    """The error of an untouched pass on these inputs; None if it succeeds."""
    device = input_device(module)
    inputs = {name: tensor.to(device) for name, tensor in encoded.inputs.items()}
    try:
        run_untouched(module, inputs)
    except Exception as error:  # noqa: BLE001 - any error is reported to the caller, who made the inputs
        return error
    return None


@dataclass(frozen=True)
class PassResult:
    """The result of one pass on one input. `base` are the outputs of the base models, by path."""

    stacks: dict[str, TracedStack]
    certificate: Certificate
    output: Any
    base: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def run(
    probed: ProbedModel, inputs: Mapping[str, Tensor], observer: Observer | None, plan: Plan | None = None
) -> PassResult:
    """Run the model on `inputs`, edited by the plan, and record what its attention was computed from.

    Raises `UnsupportedError` if the attention cannot be shown exactly, `CancelledError` if the observer cancels the pass.
    """
    try:
        return _run(probed, inputs, observer, plan)
    except UnsupportedError as unsupported:
        untouched = run_untouched(probed.module, inputs, output_hidden_states=True)
        overflows = overflow(untouched, first_dtype(probed.module))
        if overflows is None:
            raise
        raise UnsupportedError(overflows) from unsupported


def _run(probed: ProbedModel, inputs: Mapping[str, Tensor], observer: Observer | None, plan: Plan | None) -> PassResult:
    if probed.architecture.route == "reported":
        return _reported(probed, inputs)
    passed = _captured(probed, inputs, observer, plan)
    if not passed.certificate.ok:
        stacks, certificate = _from_eager_weights(probed, inputs, passed.certificate, observer, plan)
        passed = replace(passed, stacks=stacks, certificate=certificate, warnings=(*passed.warnings, _ONLY_WEIGHTS))
    return _with_reported(probed, inputs, passed) if probed.architecture.outside else passed


def _with_reported(probed: ProbedModel, inputs: Mapping[str, Any], passed: PassResult) -> PassResult:
    """Add the stacks that the model reports itself to the captured stacks."""
    other = _reported(probed, inputs)
    stacks = ordered({**passed.stacks, **other.stacks})
    layers = ordered({**passed.certificate.stacks, **other.certificate.stacks})
    certificate = Certificate.of(layers, probed.tolerance, "sampled")
    return replace(passed, stacks=stacks, certificate=certificate, warnings=(*passed.warnings, certificate.sentence))


def check_sizes(stacks: Mapping[str, TracedStack], sizes: Mapping[str, int], title: str) -> None:
    """Raise `UnsupportedError` if a layer's queries or keys do not match the tokens of their side."""
    for stack in stacks.values():
        tokens = sizes[stack.query_side], sizes[stack.key_side]
        for layer, record in enumerate(stack.records):
            if record is not None and (record.queries, record.keys) != tokens:
                expected = tokens[0] if tokens[0] == tokens[1] else f"{tokens[0]} and {tokens[1]}"
                raise UnsupportedError(
                    f"In layer {layer} of {title}, {record.queries} queries attend to {record.keys} keys, but "
                    f"there are {expected} tokens, so attnscope cannot show this model."
                )


def _captured(
    probed: ProbedModel, inputs: Mapping[str, Any], observer: Observer | None, plan: Plan | None
) -> PassResult:
    return captured_rows(probed, inputs, 1, observer, plan)[0]


def captured_rows(
    probed: ProbedModel, inputs: Mapping[str, Any], rows: int, observer: Observer | None, plan: Plan | None
) -> list[PassResult]:
    """Run the model on a batch of `rows` inputs of the same length, and record each; the results share no memory.

    Raises `UnsupportedError` if that cannot be done with several at once.
    """
    architecture = probed.architecture
    with prepared_for_capture(probed.module) as clone:
        recorder = Recorder(observer=observer, places=architecture.places, plan=plan, rows=rows)
        base = BaseOutput(clone)
        try:
            captured = capture_rows(clone, inputs, recorder, **_last_logits_only(clone, inputs))
        finally:
            base.close()
        # A long text may have changed the rotary angles (dynamic scaling); then the rotation from the probe does not hold.
        same_angles = buffered_angles(clone) == architecture.angles
        stacks = [stacks_of(probed, one.calls) for one in captured]
    results: list[PassResult] = []
    for row, (one, its_stacks) in enumerate(zip(captured, stacks, strict=True)):
        if same_angles:
            its_stacks = {
                name: replace(stack, rotary=list(architecture.stacks[name].rotary))
                for name, stack in its_stacks.items()
            }
        warnings = (*(plan.warnings if plan else ()), *one.notes)
        output = one.output if rows == 1 else output_of_row(one.output, row, rows)
        its_base = base.values if rows == 1 else base.of_row(row, rows)
        results.append(PassResult(its_stacks, certify(one.calls, probed.tolerance), output, its_base, warnings))
    return results


def _last_logits_only(clone: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """Request the logits of the last position only.

    The position is a tensor because with the number 1, models whose last layers share keys (Gemma 4) run these for one query.
    """
    ids = inputs.get("decoder_input_ids", inputs.get("input_ids"))
    virtual = virtual_tokens(clone)
    before = 0 if virtual is None or virtual.keys_only else virtual.count
    return {} if ids is None else {"logits_to_keep": torch.tensor([before + ids.shape[1] - 1])}


def _from_eager_weights(
    probed: ProbedModel, inputs: Mapping[str, Any], failed: Certificate, observer: Observer | None, plan: Plan | None
) -> tuple[dict[str, TracedStack], Certificate]:
    """The weights that the model's eager functions return, if these weights give the model's output."""
    places = probed.architecture.places
    with prepared_for_capture(probed.module) as clone:
        recorder = Recorder(observer=observer, keep_weights=True, places=places, plan=plan)
        calls = capture_on(clone, inputs, recorder).calls
        certificate = certify(calls, probed.tolerance)
        if not certificate.ok:
            raise UnsupportedError(f"attnscope cannot show {probed.title} exactly for this text. {failed.sentence}")
        return stacks_of(probed, calls), certificate


def stacks_of(probed: ProbedModel, calls: Sequence[Capture]) -> dict[str, TracedStack]:
    """The stacks of a complete pass, made while its clone is still in use.

    Raises `UnsupportedError` if a call cannot be shown or does not match the probe.
    """
    unsupported = next((call.unsupported for call in shown(calls) if call.unsupported), None)
    if unsupported:
        raise UnsupportedError(unsupported)
    by_stack: dict[str, list[Capture]] = {}
    for call in calls:
        by_stack.setdefault(placed(call).stack, []).append(call)
    if not probed.architecture.places.complete(Counter(call.name for call in calls)):
        raise UnsupportedError(
            f"{probed.title} computes attention {len(calls)} times for this input, but "
            f"{len(probed.architecture.places)} times during the probe, so attnscope cannot tell the layers apart."
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
        projections=by_layer(numbers, [None if one is None else standalone(one) for _, one in read], depth),
    )


def _read(architecture: StackArchitecture, call: Capture) -> tuple[LayerRecord, nn.Module | None]:
    """The record of a call, with its gate if it has one, and the projection that reads it."""
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
    return PassResult(stacks, certificate, output, base.values, (certificate.sentence,))
