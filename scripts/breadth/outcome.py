"""What attnscope makes of one type: traced, certified, and verified here once more against the model's own pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

import attnscope
from attnscope.attention import LayerRecord, QKRecord
from breadth.build import NO_FORWARD, Built, NotBuiltError, build, said
from breadth.witness import Call, own_calls

Status = Literal["exact", "fallback", "unsupported", "no attention", "not built", "wrong", "failed"]
CLOSE = 1e-4


@dataclass(frozen=True)
class Outcome:
    """One row of the table. `error` is the largest difference from the model's own pass, found here and by the certificate."""

    type: str
    status: Status
    reason: str
    kind: str = ""
    model: str = ""
    stacks: dict[str, str] = field(default_factory=dict[str, str])
    peculiar: list[str] = field(default_factory=list[str])
    error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, without what is empty."""
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
        return Outcome(model_type, "failed", sentence(said("attnscope", error)), **facts)


def _traced(model_type: str, built: Built, facts: dict[str, Any]) -> Outcome:
    model = attnscope.Model(built.model)
    text, more = _as_a_person_gives_it(built.inputs.given)
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
            model_type, "wrong", f"Weights times values miss the attention's output by {error:.2g}.", **facts
        )
    reason = "Equal to the model's own attention."
    if unmatched:
        reason = f"Certified; {unmatched} of its layers could not be found again in the model's own pass."
    return Outcome(model_type, "exact", reason, **facts)


def _as_a_person_gives_it(given: Mapping[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    if set(given) == {"input_ids"}:
        return given["input_ids"][0].tolist(), {}
    if set(given) == {"input_ids", "decoder_input_ids"}:
        return given["input_ids"][0].tolist(), {"target": given["decoder_input_ids"][0].tolist()}
    return dict(given), {}


def verified(trace: attnscope.Trace, built: Built) -> tuple[float, int]:
    """The largest relative difference found, and how many layers have no call of their size in the model's own pass.

    Compared are weights × values with the output of that pass, and the weights with eager ones where those give the output.
    """
    own = own_calls(built.model, built.inputs.given, eager=False)
    try:
        eager = own_calls(built.model, built.inputs.given, eager=True)
    except Exception:  # not every model runs eagerly: then weights × values alone are the witness
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
    """Whether the eager pass computes what the model's own does: not where its kernel takes a missing mask for a causal one."""
    if eager.output.shape != own.output.shape:
        return False
    return float((eager.output - own.output).abs().max()) <= 1e-3 * float(own.output.abs().max())


def _differs(weights: Tensor, call: Call) -> float | None:
    """The difference from eager weights, if those are a reference: times the values they give the output."""
    if call.weights is None or call.weights.shape != weights.shape or _missed(call.weights, call) > CLOSE:
        return None
    open_ = weights.sum(-1, keepdim=True) > 0
    return float(((weights - call.weights) * open_).abs().max())


def peculiar(trace: attnscope.Trace) -> list[str]:
    """What is special about the attention of a model, read off its trace."""
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
    return found if kind in ("full", "causal") else {*found, {"bits": "mask of its own"}.get(kind, kind)}


def _size(stack: Any) -> str:
    return f"{sum(shape is not None for shape in stack.shapes)}×{stack.heads}"


def _number(value: float) -> float:
    return float(f"{value:.1e}")


def sentence(text: str) -> str:
    """One sentence (two at most) without line breaks and numbers of one run."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 260 else line[:257].rsplit(" ", 1)[0] + " …"


def not_built(failures: str) -> str:
    """Why a type was not built, in a line: a library, a form of inputs, a size, or the failure that got furthest."""
    for library in ("timm", "natten", "detectron2", "scipy", "torchaudio", "torchcodec", "einops", "flash_attn"):
        if re.search(rf"(requires the {library} library|No module named '{library}|`{library}`)", failures):
            return f"It needs {library}, which is not installed here."
    if failures == "no class takes its config":
        return "A part of a larger model without a model class of its own."
    every = failures.split(" | ")
    if any(one.endswith(NO_FORWARD) for one in every):
        return "Its class only generates, through models that have rows of their own: it has no forward pass."
    ran = [one for one in every if " over " in one.split(":")[0]]
    missing = [
        found for one in ran if (found := re.search(r"missing (?:\d+ )?required positional arguments?: (.*)", one))
    ]
    if ran and len(missing) == len(ran):
        fewest = min((one.group(1) for one in missing), key=len)
        return _line(f"No inputs are made up here for {fewest.replace(chr(39), chr(96))}.")
    sizes = [found for one in every if (found := re.search(r"([\d,]+) parameters even when small", one))]
    if not ran and len(sizes) == len(every):
        return f"Even small it has {int(sizes[0].group(1).replace(',', '')) // 1_000_000} million parameters."
    told = [one for one in ran if "missing" not in one] or every
    where, _, why = told[0].partition(": ")
    if " over " in where:
        return _line(f"It does not run over what is made up here ({where.split(' over ')[1]}): {_last(why)}")
    if where.startswith("making "):
        return _line(f"It cannot be made from a small config: {_last(why)}")
    return _line(f"There is no small config of it: {_last(why)}")


def _last(why: str) -> str:
    """An error without the names of those that it came through."""
    return re.sub(r"^.*error for (?:validator|field) '[^']*': ", "", why)


def _line(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= 160 else line[:157].rsplit(" ", 1)[0] + " …"
