"""Write edits into a copy of the weights: a model that computes the edited result without attnscope.

The linear maps behind q, k and v are found by comparison: their outputs equal the arguments of the attention function. The
result is verified against the live edits before it is returned.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attnscope.attention import QKRecord
from attnscope.capture import Capture, Recorder, capture_on, prepared_for_capture, run_untouched
from attnscope.edits import Edit, ScaleHead, ScaleNeuron
from attnscope.edits.plan import Plan
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.dummy_inputs import probe_inputs, usual_kind
from attnscope.model.architecture.probe import Architecture
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.hf.hidden_states import relative
from attnscope.model.hf.module_info import first_dtype
from attnscope.model.tracing.certify import placed
from attnscope.trace.certificate import tolerance_of

_SAMPLES = 8
_SAME = 1e-6
_ROUNDINGS = 64  # units in the last place of a position's largest number; smaller differences may be rounding
_PART = 0.1


@dataclass(frozen=True)
class LinearOutputs:
    """Passes on one position each, where rotary embeddings have no effect: attention calls and outputs of linear maps."""

    calls: list[list[Capture]]
    features: dict[str, Tensor]
    places: dict[tuple[str, int], int]
    factors: tuple[float, ...]
    """Factors that may multiply vectors between a linear map and the attention function."""

    def vector(self, where: tuple[str, int], vector: str, head: int) -> Tensor:
        """q, k or v [sample, dim] of a head (for k and v, a key/value head)."""
        call = self.places[where]
        records = [calls[call].record for calls in self.calls]
        return torch.stack(
            [getattr(record, vector)[head, 0] for record in records if isinstance(record, QKRecord)]
        ).float()


def bake_weights(probed: ProbedModel, plan: Plan | None) -> nn.Module:
    """A copy of the probed module with the plan's edits in its weights.

    Raises `UnsupportedError`, with the edit's name, for an edit that does not change weights, or whose weights are unknown.
    """
    module, architecture = probed.module, probed.architecture
    edits = () if plan is None else plan.edits
    outputs = _Outputs(module, architecture)
    found = [_weights_of(module, outputs, edit) for edit in edits]
    result = copy.deepcopy(module)
    if plan is None:
        return result
    for edit, one in zip(edits, found, strict=True):
        _scale(result.get_submodule(one.path), one, cast("ScaleHead | ScaleNeuron", edit).factor)
    _verify(probed, result, plan)
    return result


def bake_problems(probed: ProbedModel, plan: Plan | None) -> list[str | None]:
    """For each edit of a plan, why it cannot be written into the weights, as a sentence; None if it can.

    No weights are copied. Whether the new weights give the result of the edits is verified by `bake_weights` only.
    """
    outputs = _Outputs(probed.module, probed.architecture)
    problems: list[str | None] = []
    for edit in () if plan is None else plan.edits:
        try:
            _weights_of(probed.module, outputs, edit)
            problems.append(None)
        except UnsupportedError as error:
            problems.append(str(error))
    return problems


@dataclass(frozen=True)
class _Weights:
    """The weights to scale: those behind some inputs (`columns`) or outputs of a linear map."""

    path: str
    numbers: Tensor
    columns: bool


class _Outputs:
    """The outputs of all linear maps, recorded when they are first needed."""

    def __init__(self, module: nn.Module, architecture: Architecture) -> None:
        self._module = module
        self.architecture = architecture

    @cached_property
    def recorded(self) -> LinearOutputs:
        """The recorded outputs."""
        return _record_outputs(self._module, self.architecture)


def _weights_of(module: nn.Module, outputs: _Outputs, edit: Edit) -> _Weights:
    """The weights that an edit scales. Raises `UnsupportedError`, with the edit's name, if there are none or they are unknown."""
    architecture = outputs.architecture
    if not isinstance(edit, (ScaleHead, ScaleNeuron)):
        raise UnsupportedError(
            f"{edit.kind} of {edit.place} cannot be baked, because it does not change weights. Only "
            "ScaleHead and ScaleNeuron can be."
        )
    if isinstance(edit, ScaleNeuron) and edit.position is not None:
        raise UnsupportedError(
            f"{edit.kind} of {edit.place} cannot be baked, because it acts only at some positions and weights act at all. "
            "Omit `position`."
        )
    stack = edit.stack or next(iter(architecture.stacks))
    _check_not_shared(edit, architecture, stack)
    if isinstance(edit, ScaleHead):
        return _of_head(module, architecture, edit, stack)
    return _of_neuron(outputs, edit, stack)


def _scale(projection: Any, weights: _Weights, factor: float) -> None:
    """Multiply weights by `factor`; behind outputs, their biases too."""
    numbers, transposed = weights.numbers, isinstance(projection, Conv1D)
    with torch.no_grad():
        if weights.columns != transposed:
            projection.weight[:, numbers] *= factor
        else:
            projection.weight[numbers] *= factor
        if not weights.columns and projection.bias is not None:
            projection.bias[numbers] *= factor


def _record_outputs(module: nn.Module, architecture: Architecture) -> LinearOutputs:
    recorded: dict[str, list[Tensor]] = {}
    with prepared_for_capture(module) as clone:
        handles = [
            one.register_forward_hook(_recording_hook(recorded, name))
            for name, one in clone.named_modules()
            if isinstance(one, (nn.Linear, Conv1D))
        ]
        samples = _one_position_each(module)
        calls = [capture_on(clone, one, Recorder(places=architecture.places)).calls for one in samples]
        for handle in handles:
            handle.remove()
    features = {name: torch.stack(found).float() for name, found in recorded.items() if len(found) == len(calls)}
    places = {(placed(call).stack, placed(call).layer): index for index, call in enumerate(calls[0])}
    return LinearOutputs(calls, features, places, _factors(module, architecture))


def _factors(module: nn.Module, architecture: Architecture) -> tuple[float, ...]:
    """1, the factor of rotary embeddings besides the rotation (YaRN), and the scale of scores if q contains it already (OPT)."""
    attention_scalings = [
        float(value)
        for one in module.modules()
        for name, value in vars(one).items()
        if name.endswith("attention_scaling") and isinstance(value, (int, float))
    ]
    scales = [
        shape.qk_dim**-0.5 for stack in architecture.stacks.values() for shape in stack.shapes if shape is not None
    ]
    return tuple(dict.fromkeys([1.0, *attention_scalings, *scales]))


def _recording_hook(
    recorded: dict[str, list[Tensor]], name: str, *, first: bool = True
) -> Callable[[nn.Module, Any, Tensor], None]:
    def record(_module: nn.Module, _args: Any, output: Tensor) -> None:
        rows = output.reshape(-1, output.shape[-1])
        recorded.setdefault(name, []).append(rows[0] if first else rows)

    return record


def _check_not_shared(edit: Edit, architecture: Architecture, stack: str) -> None:
    for found in architecture.places.by_path.values():
        if len(found) > 1 and any((place.stack, place.layer) == (stack, edit.layer) for place in found):
            raise UnsupportedError(
                f"{edit.kind} of {edit.place} cannot be baked, because one module runs for {len(found)} layers of "
                "this model and they share its weights."
            )


def _of_head(model: nn.Module, architecture: Architecture, edit: ScaleHead, stack: str) -> _Weights:
    shape, path = architecture.stacks[stack].shapes[edit.layer], architecture.stacks[stack].projections[edit.layer]
    projection = None if path is None else model.get_submodule(path)
    if shape is None or path is None or type(projection) not in (nn.Linear, Conv1D):
        raise UnsupportedError(
            f"{edit.kind} of {edit.place} cannot be baked, because no plain linear map reads the head outputs "
            "of this layer directly."
        )
    return _Weights(path, torch.arange(edit.head * shape.v_dim, (edit.head + 1) * shape.v_dim), columns=True)


def _of_neuron(outputs: _Outputs, edit: ScaleNeuron, stack: str) -> _Weights:
    architecture = outputs.architecture
    shape, rotary = architecture.stacks[stack].shapes[edit.layer], _rotary(architecture, stack, edit.layer)
    assert shape is not None
    if edit.vector != "v":
        for pair in () if rotary is None else rotary.pairs:
            if (pair[0] in edit.dims) != (pair[1] in edit.dims):
                raise UnsupportedError(
                    f"{edit.kind} of {edit.place} cannot be baked, because dimensions {pair[0]} and {pair[1]} "
                    "rotate together (RoPE) and only one of them is scaled."
                )
    head = edit.head if edit.vector == "q" else edit.head * shape.kv_heads // shape.heads
    wanted = outputs.recorded.vector((stack, edit.layer), edit.vector, head)[:, list(edit.dims)]
    path, rows = _find_rows(edit, wanted, outputs.recorded, architecture, stack)
    return _Weights(path, rows, columns=False)


def _rotary(architecture: Architecture, stack: str, layer: int) -> Any:
    rotary = architecture.stacks[stack].rotary
    return rotary[layer] if layer < len(rotary) else None


def _find_rows(
    edit: Edit, wanted: Tensor, linear_outputs: LinearOutputs, architecture: Architecture, stack: str
) -> tuple[str, Tensor]:
    """The linear map close to the layer's attention whose outputs are exactly these numbers [sample, dim], and their rows."""
    features = linear_outputs.features
    paths = [
        path
        for path, found in architecture.places.by_path.items()
        if any((place.stack, place.layer) == (stack, edit.layer) for place in found)
    ]
    near = sorted(features, key=lambda name: -max(_shared_components(name, path) for path in paths))
    # compare by difference, not by direction: at the first position of a deep layer, features hardly differ between tokens
    scale = wanted.abs().amax(dim=0).clamp(min=1e-30)
    for name in near:
        apart = [
            (factor * features[name].T[None] - wanted.T[:, None]).abs().amax(dim=2) for factor in linear_outputs.factors
        ]
        off = torch.stack(apart).amin(dim=0) / scale[:, None]
        closest = off.topk(min(2, off.shape[1]), largest=False, dim=1)
        index = closest.indices[:, 0]
        alone = bool((closest.values[:, -1] > _SAME).all()) or off.shape[1] < 2
        if bool((closest.values[:, 0] <= _SAME).all()) and alone and len(set(index.tolist())) == len(index):
            return name, index
    raise UnsupportedError(
        f"{edit.kind} of {edit.place} cannot be baked, because no plain linear map returns these numbers "
        "(there may be a norm in between)."
    )


def _shared_components(name: str, path: str) -> int:
    pairs = zip(name.split("."), path.split("."), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _one_position_each(module: nn.Module) -> list[dict[str, Tensor]]:
    """Inputs of one position each (on each side), with different tokens."""
    kind = usual_kind(module)
    whole = probe_inputs(module, kind, tokens=_SAMPLES + 2)
    samples = min(one.shape[1] for one in whole.values())
    return [{name: one[:, i : i + 1] for name, one in whole.items()} for i in range(min(samples, _SAMPLES))]


def _verify(probed: ProbedModel, result: nn.Module, plan: Plan) -> None:
    """Raise `UnsupportedError` if the copy does not compute what the live edits compute.

    The logits are compared, and in the edited layers q, k, v and the output of the output projection, where a small effect is
    not yet lost among larger numbers. There the difference is judged relative to what the edits change.
    """
    module, architecture, dtype = probed.module, probed.architecture, first_dtype(probed.module)
    inputs = probe_inputs(module, usual_kind(module), tokens=_SAMPLES + 2)
    _, plain = _pass(module, architecture, plan, None, inputs)
    wanted, live = _pass(module, architecture, plan, plan, inputs)
    _, own = _pass(result, architecture, plan, None, inputs)
    found = run_untouched(result, inputs)
    off, noise = relative(wanted[0], found[0]), _ROUNDINGS * torch.finfo(dtype).eps
    problem = None if off <= tolerance_of(dtype) else f"its logits differ by {off:.2g}"
    if problem is None and not all(map(_is_small, plain, live, own, [noise] * len(own))):
        problem = "the edited layers compute something else"
    if problem is not None:
        raise UnsupportedError(
            f"The edits of {probed.title} cannot be baked, because the new weights do not give the result of "
            f"the edits: {problem}."
        )


def _pass(
    module: nn.Module, architecture: Architecture, plan: Plan, active: Plan | None, inputs: Mapping[str, Any]
) -> tuple[Any, list[Tensor]]:
    """A pass's output, and q, k, v and the projection's output [position, feature] of the layers that `plan` edits."""
    where = {(edit.stack or next(iter(architecture.stacks)), edit.layer) for edit in plan.edits}
    recorded: dict[str, list[Tensor]] = {}
    with prepared_for_capture(module) as clone:
        paths = [path for stack, layer in where if (path := architecture.stacks[stack].projections[layer]) is not None]
        for path in paths:
            clone.get_submodule(path).register_forward_hook(_recording_hook(recorded, path, first=False))
        captured = capture_on(clone, inputs, Recorder(places=architecture.places, plan=active))
    records = [call.record for call in captured.calls if (placed(call).stack, placed(call).layer) in where]
    vectors = [
        part.transpose(0, 1).flatten(1)
        for record in records
        if isinstance(record, QKRecord)
        for part in (record.q, record.k, record.v)
    ]
    return captured.output, [*vectors, *(one for path in paths for one in recorded.get(path, ()))]


def _is_small(plain: Tensor, live: Tensor, own: Tensor, noise: float) -> bool:
    """Whether the copy differs from the live edits only by rounding, or little compared with their effect, at every position."""
    plain, live, own = plain.double(), live.double(), own.double()
    effect, error = ((live - one).abs().amax(dim=-1) for one in (plain, own))
    return bool((error <= _PART * effect + noise * live.abs().amax(dim=-1)).all())
