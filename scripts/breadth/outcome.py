"""The outcome for one type: trace it, certify it, and verify it independently against the model's own forward pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

import attnscope
from attnscope.attention import LayerRecord, QKRecord
from breadth.build import NO_FORWARD, Built, NotBuiltError, build, describe_error
from breadth.witness import Call, own_calls

Status = Literal["exact", "fallback", "unsupported", "no attention", "not built", "wrong", "failed"]
CLOSE = 1e-4


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    `error` is the largest difference from the model's own forward pass, found here or by the certificate.
    """

    type: str
    status: Status
    reason: str
    kind: str = ""
    model: str = ""
    stacks: dict[str, str] = field(default_factory=dict[str, str])
    peculiar: list[str] = field(default_factory=list[str])
    error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, without empty ones."""
        return {name: value for name, value in asdict(self).items() if value not in ("", [], {}, None)}


def outcome(model_type: str) -> Outcome:
    """Build, trace, check and verify one type."""
    try:
        built = build(model_type)
    except NotBuiltError as error:
        return Outcome(model_type, "not built", not_built(str(error)))
    facts: dict[str, Any] = {"kind": built.inputs.kind, "model": type(built.model).__name__}
    if not built.attends:
        return Outcome(model_type, "no attention", "It runs without computing any attention.", **facts)
    try:
        return _traced(model_type, built, facts)
    except attnscope.AttnscopeError as error:
        return Outcome(model_type, "unsupported", sentence(str(error)), **facts)
    except Exception as error:
        return Outcome(model_type, "failed", sentence(describe_error("attnscope", error)), **facts)


def _traced(model_type: str, built: Built, facts: dict[str, Any]) -> Outcome:
    model = attnscope.Model(built.model)
    text, more = _trace_arguments(built.inputs.tensors)
    trace = model.trace(text, **more)
    facts["stacks"] = {name: _size(stack) for name, stack in trace.stacks.items()}
    facts["peculiar"] = peculiar(trace)
    records = [record for name in trace.stacks for record in trace.traced_stack(name).records if record is not None]
    if not records:
        return Outcome(model_type, "unsupported", "None of its attention could be captured.", **facts)
    if not trace.certificate.ok:
        return Outcome(model_type, "fallback", sentence(trace.certificate.sentence), **facts)
    certificate = model.check(trace)
    if not certificate.ok:
        return Outcome(
            model_type, "wrong", sentence(certificate.sentence), error=_number(certificate.max_error), **facts
        )
    error, unmatched = verified(trace, built)
    facts["error"] = _number(max(error, certificate.max_error))
    if error > CLOSE:
        return Outcome(
            model_type, "wrong", f"Weights × values differ from the attention output by {error:.2g}.", **facts
        )
    reason = "Equal to the model's own attention."
    if unmatched:
        reason = f"Certified; {unmatched} of its layers could not be matched with the model's own forward pass."
    return Outcome(model_type, "exact", reason, **facts)


def _trace_arguments(tensors: Mapping[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    if set(tensors) == {"input_ids"}:
        return tensors["input_ids"][0].tolist(), {}
    if set(tensors) == {"input_ids", "decoder_input_ids"}:
        return tensors["input_ids"][0].tolist(), {"target": tensors["decoder_input_ids"][0].tolist()}
    return dict(tensors), {}


def verified(trace: attnscope.Trace, built: Built) -> tuple[float, int]:
    """The largest relative difference, and the number of layers without a call of their size in the model's own forward pass.

    This compares weights × values with the output of that pass, and the weights with eager ones if those give the output.
    """
    own = own_calls(built.model, built.inputs.tensors, eager=False)
    try:
        eager = own_calls(built.model, built.inputs.tensors, eager=True)
    except Exception:  # not every model runs eagerly; then only weights × values are compared
        eager = []
    worst, unmatched = 0.0, 0
    for name in trace.stacks:
        records = [(i, record) for i, record in enumerate(trace.traced_stack(name).records) if record is not None]
        sizes = {(record.queries, record.keys) for _, record in records}
        calls = [call for call in own if call.size in sizes]
        others = [call for call in eager if call.size in sizes]
        for position, (layer, record) in enumerate(records):
            weights = torch.stack([trace.attention(layer, head, stack=name) for head in range(record.shape.heads)])
            errors: list[float | None] = [
                min(
                    (_missed(weights, call) for call in calls if call.output.shape[0] == weights.shape[0]), default=None
                )
            ]
            if len(calls) == len(records):
                errors = [_missed(weights, calls[position])]
                if len(others) == len(records) and _agree(others[position], calls[position]):
                    errors.append(_differs(weights, others[position]))
            found = [error for error in errors if error is not None]
            worst = max([worst, *found])
            unmatched += not found
    return worst, unmatched


def _missed(weights: Tensor, call: Call) -> float:
    if weights.shape[1:] != call.size or weights.shape[0] != call.values.shape[0]:
        return float("inf")
    open_ = weights.sum(-1, keepdim=True) > 0
    difference = ((weights @ call.values) - call.output) * open_
    return float(difference.abs().max() / call.output.abs().max().clamp_min(1e-9))


def _agree(eager: Call, own: Call) -> bool:
    """Whether the eager pass computes the same as the model's own: not if its kernel treats a missing mask as causal."""
    if eager.output.shape != own.output.shape:
        return False
    return float((eager.output - own.output).abs().max()) <= 1e-3 * float(own.output.abs().max())


def _differs(weights: Tensor, call: Call) -> float | None:
    """The difference from eager weights, if those are a valid reference, that is, if they give the output."""
    if call.weights is None or call.weights.shape != weights.shape or _missed(call.weights, call) > CLOSE:
        return None
    open_ = weights.sum(-1, keepdim=True) > 0
    return float(((weights - call.weights) * open_).abs().max())


def peculiar(trace: attnscope.Trace) -> list[str]:
    """Special properties of a model's attention, read from its trace."""
    found: set[str] = set()
    for name, stack in trace.stacks.items():
        traced = trace.traced_stack(name)
        present = [shape for shape in stack.shapes if shape is not None]
        tests = {
            "layers without attention": len(present) < len(stack.shapes),
            "layers differ": len({(shape.heads, shape.qk_dim) for shape in present}) > 1,
            "one key head": any(1 == shape.kv_heads < shape.heads for shape in present),
            "grouped keys": any(1 < shape.kv_heads < shape.heads for shape in present),
            "keys wider than values": any(shape.qk_dim and shape.qk_dim > shape.v_dim for shape in present),
            "rotary": any(rotary is not None for rotary in traced.rotary),
            "no head outputs": bool(present) and not any(one is not None for one in traced.projections),
        }
        found |= {what for what, holds in tests.items() if holds}
        for record in traced.records:
            found |= set() if record is None else _special(record)
    return sorted(found)


def _special(record: LayerRecord) -> set[str]:
    if not isinstance(record, QKRecord):
        return {"weights only"}
    there = {"soft cap": record.softcap, "bias": record.bias, "sinks": record.sinks}
    found = {what for what, value in there.items() if value is not None}
    kind = record.mask.kind
    return found if kind in ("full", "causal") else {*found, {"bits": "custom mask"}.get(kind, kind)}


def _size(stack: Any) -> str:
    return f"{sum(shape is not None for shape in stack.shapes)}×{stack.heads}"


def _number(value: float) -> float:
    return float(f"{value:.1e}")


def sentence(text: str) -> str:
    """A message without line breaks, shortened to 260 characters."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 260 else line[:257].rsplit(" ", 1)[0] + " …"


def not_built(failures: str) -> str:
    """Why a type was not built, on one line: a library, a format of inputs, a size, or the failure that got furthest."""
    for library in ("timm", "natten", "detectron2", "scipy", "torchaudio", "torchcodec", "einops", "flash_attn"):
        if re.search(rf"(requires the {library} library|No module named '{library}|`{library}`)", failures):
            return f"It needs {library}, which is not installed here."
    if failures == "no class takes its config":
        return "A part of a larger model, without a model class."
    every = failures.split(" | ")
    if any(one.endswith(NO_FORWARD) for one in every):
        return "Its class only generates, using models with their own rows here; it has no forward pass."
    ran = [one for one in every if " over " in one.split(":")[0]]
    missing = [
        found for one in ran if (found := re.search(r"missing (?:\d+ )?required positional arguments?: (.*)", one))
    ]
    if ran and len(missing) == len(ran):
        fewest = min((one.group(1) for one in missing), key=len)
        return _line(f"This program makes no inputs for {fewest.replace(chr(39), chr(96))}.")
    sizes = [found for one in every if (found := re.search(r"([\d,]+) parameters even when small", one))]
    if not ran and len(sizes) == len(every):
        return f"Even the small model has {int(sizes[0].group(1).replace(',', '')) // 1_000_000} million parameters."
    informative = [one for one in ran if "missing" not in one] or every
    where, _, why = informative[0].partition(": ")
    if " over " in where:
        return _line(f"It does not run on the inputs made here ({where.split(' over ')[1]}): {_last(why)}")
    if where.startswith("making "):
        return _line(f"It cannot be built from a small config: {_last(why)}")
    return _line(f"It has no small config: {_last(why)}")


def _last(why: str) -> str:
    """An error message without the names of the validators that it passed through."""
    return re.sub(r"^.*error for (?:validator|field) '[^']*': ", "", why)


def _line(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 160 else line[:157].rsplit(" ", 1)[0] + " …"
