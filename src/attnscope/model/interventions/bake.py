"""Edits written into weights: a model of its own that computes without attnscope what the edited one computes.

What feeds q, k and v is found by looking: the features of linear maps that equal the numbers which the attention function was
given. The result is run against the live edits before it is handed out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
_ROUNDINGS = 64  # units in the last place of a position's largest number: less is not told from rounding
_PART = 0.1


@dataclass(frozen=True)
class Looks:
    """Passes over one position each, where rotary embeddings turn nothing: records of calls, and what linear maps put out."""

    calls: list[list[Capture]]
    features: dict[str, Tensor]
    places: dict[tuple[str, int], int]
    factors: tuple[float, ...]
    """What vectors may be multiplied by between a linear map and the attention function."""

    def vector(self, where: tuple[str, int], vector: str, head: int) -> Tensor:
        """q, k or v [sample, dim] of a head (for k and v: of a key/value head)."""
        call = self.places[where]
        records = [calls[call].record for calls in self.calls]
        return torch.stack(
            [getattr(record, vector)[head, 0] for record in records if isinstance(record, QKRecord)]
        ).float()


def bake_weights(probed: ProbedModel, made: Plan | None) -> nn.Module:
    """A copy of the probed's module with the plan's edits in its weights.

    Raises `UnsupportedError`, with the edit's name, for one that is none of weights, or whose weights cannot be told.
    """
    module, architecture = probed.module, probed.architecture
    edits = () if made is None else made.edits
    for edit in edits:
        if not isinstance(edit, (ScaleHead, ScaleNeuron)):
            raise UnsupportedError(
                f"{edit.kind} of {edit.place} is no change of weights, so it cannot be baked; ScaleHead and ScaleNeuron can."
            )
    result = copy.deepcopy(module)
    if made is None:
        return result
    looks = _look(module, architecture)
    for edit in edits:
        stack = edit.stack or next(iter(architecture.stacks))
        _shared(edit, architecture, stack)
        if isinstance(edit, ScaleHead):
            _scale_head(result, architecture, edit, stack)
        elif isinstance(edit, ScaleNeuron):
            _scale_neuron(result, architecture, looks, edit, stack)
    _verify(probed, result, made)
    return result


def _look(module: nn.Module, architecture: Architecture) -> Looks:
    seen: dict[str, list[Tensor]] = {}
    with prepared_for_capture(module) as clone:
        handles = [
            one.register_forward_hook(_keeping(seen, name))
            for name, one in clone.named_modules()
            if isinstance(one, (nn.Linear, Conv1D))
        ]
        given = _one_position_each(module)
        calls = [capture_on(clone, one, Recorder(places=architecture.places)).calls for one in given]
        for handle in handles:
            handle.remove()
    features = {name: torch.stack(found).float() for name, found in seen.items() if len(found) == len(calls)}
    places = {(placed(call).stack, placed(call).layer): index for index, call in enumerate(calls[0])}
    return Looks(calls, features, places, _factors(module, architecture))


def _factors(module: nn.Module, architecture: Architecture) -> tuple[float, ...]:
    """1, what rotary embeddings multiply by besides turning (YaRN), and the scale of scores where q has it already (OPT)."""
    turning = [
        float(value)
        for one in module.modules()
        for name, value in vars(one).items()
        if name.endswith("attention_scaling") and isinstance(value, (int, float))
    ]
    scales = [
        shape.qk_dim**-0.5 for stack in architecture.stacks.values() for shape in stack.shapes if shape is not None
    ]
    return tuple(dict.fromkeys([1.0, *turning, *scales]))


def _keeping(
    seen: dict[str, list[Tensor]], name: str, *, first: bool = True
) -> Callable[[nn.Module, Any, Tensor], None]:
    def keep(_module: nn.Module, _args: Any, output: Tensor) -> None:
        rows = output.reshape(-1, output.shape[-1])
        seen.setdefault(name, []).append(rows[0] if first else rows)

    return keep


def _shared(edit: Edit, architecture: Architecture, stack: str) -> None:
    for found in architecture.places.by_path.values():
        if len(found) > 1 and any((place.stack, place.layer) == (stack, edit.layer) for place in found):
            raise UnsupportedError(
                f"{edit.kind} of {edit.place} cannot be baked: one module runs for {len(found)} layers here, and its weights are "
                "theirs too."
            )


def _scale_head(model: nn.Module, architecture: Architecture, edit: ScaleHead, stack: str) -> None:
    shape, path = architecture.stacks[stack].shapes[edit.layer], architecture.stacks[stack].projections[edit.layer]
    projection = None if path is None else model.get_submodule(path)
    if shape is None or projection is None or type(projection) not in (nn.Linear, Conv1D):
        raise UnsupportedError(
            f"{edit.kind} of {edit.place} cannot be baked: no plain linear map reads the heads' outputs of this layer directly."
        )
    columns = torch.arange(edit.head * shape.v_dim, (edit.head + 1) * shape.v_dim)
    weight: Any = projection.weight
    with torch.no_grad():
        if isinstance(projection, Conv1D):
            weight[columns] *= edit.factor
        else:
            weight[:, columns] *= edit.factor


def _scale_neuron(model: nn.Module, architecture: Architecture, looks: Looks, edit: ScaleNeuron, stack: str) -> None:
    shape, turns = architecture.stacks[stack].shapes[edit.layer], _rotary(architecture, stack, edit.layer)
    assert shape is not None
    if edit.vector != "v":
        for pair in () if turns is None else turns.pairs:
            if (pair[0] in edit.dims) != (pair[1] in edit.dims):
                raise UnsupportedError(
                    f"{edit.kind} of {edit.place} cannot be baked: dimensions {pair[0]} and {pair[1]} turn together (RoPE), and "
                    "only one of them is scaled."
                )
    head = edit.head if edit.vector == "q" else edit.head * shape.kv_heads // shape.heads
    wanted = looks.vector((stack, edit.layer), edit.vector, head)[:, list(edit.dims)]
    path, rows = _rows_of(edit, wanted, looks, architecture, stack)
    projection: Any = model.get_submodule(path)
    with torch.no_grad():
        if isinstance(projection, Conv1D):
            projection.weight[:, rows] *= edit.factor
        else:
            projection.weight[rows] *= edit.factor
        if projection.bias is not None:
            projection.bias[rows] *= edit.factor


def _rotary(architecture: Architecture, stack: str, layer: int) -> Any:
    turning = architecture.stacks[stack].rotary
    return turning[layer] if layer < len(turning) else None


def _rows_of(edit: Edit, wanted: Tensor, looks: Looks, architecture: Architecture, stack: str) -> tuple[str, Tensor]:
    """The linear map near the layer's attention with exactly these numbers [sample, dim] as features, and which."""
    features = looks.features
    paths = [
        path
        for path, found in architecture.places.by_path.items()
        if any((place.stack, place.layer) == (stack, edit.layer) for place in found)
    ]
    near = sorted(features, key=lambda name: -max(_common(name, path) for path in paths))
    # By difference, not by direction: at the first position of a deep layer most features hardly differ from token to token.
    scale = wanted.abs().amax(dim=0).clamp(min=1e-30)
    for name in near:
        apart = [(factor * features[name].T[None] - wanted.T[:, None]).abs().amax(dim=2) for factor in looks.factors]
        off = torch.stack(apart).amin(dim=0) / scale[:, None]
        closest = off.topk(min(2, off.shape[1]), largest=False, dim=1)
        index = closest.indices[:, 0]
        alone = bool((closest.values[:, -1] > _SAME).all()) or off.shape[1] < 2
        if bool((closest.values[:, 0] <= _SAME).all()) and alone and len(set(index.tolist())) == len(index):
            return name, index
    raise UnsupportedError(
        f"{edit.kind} of {edit.place} cannot be baked: no plain linear map puts these numbers out (a norm lies between, say)."
    )


def _common(name: str, path: str) -> int:
    pairs = zip(name.split("."), path.split("."), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _one_position_each(module: nn.Module) -> list[dict[str, Tensor]]:
    """Inputs of one position (on each side), of different tokens."""
    kind = usual_kind(module)
    whole = probe_inputs(module, kind, tokens=_SAMPLES + 2)
    samples = min(one.shape[1] for one in whole.values())
    return [{name: one[:, i : i + 1] for name, one in whole.items()} for i in range(min(samples, _SAMPLES))]


def _verify(probed: ProbedModel, result: nn.Module, made: Plan) -> None:
    """Raise `UnsupportedError` where the copy does not compute what the live edits do.

    Their logits are compared, and in the edited layers, where a small effect is not yet lost among larger numbers, q, k, v and
    what the output projection puts out: there the difference is held against what the edits themselves change.
    """
    module, architecture, dtype = probed.module, probed.architecture, first_dtype(probed.module)
    inputs = probe_inputs(module, usual_kind(module), tokens=_SAMPLES + 2)
    _, plain = _pass(module, architecture, made, None, inputs)
    wanted, live = _pass(module, architecture, made, made, inputs)
    _, own = _pass(result, architecture, made, None, inputs)
    found = run_untouched(result, inputs)
    off, noise = relative(wanted[0], found[0]), _ROUNDINGS * torch.finfo(dtype).eps
    wrong = None if off <= tolerance_of(dtype) else f"its logits are off by {off:.2g}"
    if wrong is None and not all(map(_is_small, plain, live, own, [noise] * len(own))):
        wrong = "the edited layers compute something else"
    if wrong is not None:
        raise UnsupportedError(
            f"The weights of {probed.title} with these edits in them do not give what the edits do: {wrong}."
        )


def _pass(
    module: nn.Module, architecture: Architecture, made: Plan, acting: Plan | None, inputs: Mapping[str, Any]
) -> tuple[Any, list[Tensor]]:
    """A pass's output, and q, k, v and the projection's output [position, feature] of the layers that `made` edits."""
    where = {(edit.stack or next(iter(architecture.stacks)), edit.layer) for edit in made.edits}
    seen: dict[str, list[Tensor]] = {}
    with prepared_for_capture(module) as clone:
        paths = [path for stack, layer in where if (path := architecture.stacks[stack].projections[layer]) is not None]
        for path in paths:
            clone.get_submodule(path).register_forward_hook(_keeping(seen, path, first=False))
        captured = capture_on(clone, inputs, Recorder(places=architecture.places, plan=acting))
    records = [call.record for call in captured.calls if (placed(call).stack, placed(call).layer) in where]
    vectors = [
        part.transpose(0, 1).flatten(1)
        for record in records
        if isinstance(record, QKRecord)
        for part in (record.q, record.k, record.v)
    ]
    return captured.output, [*vectors, *(one for path in paths for one in seen.get(path, ()))]


def _is_small(plain: Tensor, live: Tensor, own: Tensor, noise: float) -> bool:
    """Whether what the copy misses of the live edits is rounding, or little beside what they change, at every position."""
    plain, live, own = plain.double(), live.double(), own.double()
    effect, error = ((live - one).abs().amax(dim=-1) for one in (plain, own))
    return bool((error <= _PART * effect + noise * live.abs().amax(dim=-1)).all())
