"""How positions rotate queries and keys (rotary embedding, RoPE), measured instead of looked up in a table.

A pass runs in which every attention module receives the same hidden state at all positions, so that q and k differ between
positions only by the rotation. The search is then for pairs of dimensions (a, b) with an angle ω per token such that at
position p

    q_a(p) = q_a(0) cos ωp − q_b(0) sin ωp,    q_b(p) = q_b(0) cos ωp + q_a(0) sin ωp     (Su et al. 2021, equation 34)

and the same for k, in the two common layouts (halves: a, a + r/2; interleaved: 2a, 2a + 1), over all dimensions, the first ones
(partial rotation) or the last ones (MLA). The angles come from a buffer of the model (`inv_freq`) if one of them fits;
otherwise they are measured. If nothing fits, no rotation is reported.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.attention import QKRecord
from attnscope.capture import Capture, capture_on
from attnscope.types import Rotary

_LOG = logging.getLogger(__name__)

TOKENS = 32
"""Number of positions in the measurement: enough to measure a wavelength of 10⁵ tokens to a thousandth in float32."""

_TOLERANCE = {torch.float16: 0.01, torch.bfloat16: 0.06}
_SINGLE = 1e-3
"""The largest distance of q and k from where the rotation puts them, relative to their length."""


@dataclass(frozen=True)
class _Vectors:
    """q or k of all heads at the probed positions, where only the position differs."""

    values: Float[Tensor, "heads position dim"]

    @property
    def size(self) -> float:
        """The norm of the vectors at the first position."""
        return float(self.values[:, 0].norm())

    def rotation_error(self, pairs: Tensor, angles: Float[Tensor, "pair"]) -> float:
        """The error of predicting each vector by rotating the first one by position × angle, relative to its length."""
        first, turned = self.values[:, :1], self.values[:, :1].repeat(1, self.values.shape[1], 1)
        phase = torch.arange(self.values.shape[1], dtype=torch.float64)[:, None] * angles
        a, b = first[..., pairs[:, 0]], first[..., pairs[:, 1]]
        turned[..., pairs[:, 0]] = a * phase.cos() - b * phase.sin()
        turned[..., pairs[:, 1]] = b * phase.cos() + a * phase.sin()
        return float((self.values - turned).norm(dim=(0, 2)).max()) / max(self.size, 1e-30)


def rotary_of(clone: nn.Module, inputs: Mapping[str, Any], calls: Sequence[Capture]) -> list[Rotary | None]:
    """The rotation in each of `calls`, which come from an earlier pass through `clone` (prepared for capture).

    None where q and k do not rotate, or where no rotation fits. `inputs` has at least `TOKENS` positions, if the model has that
    many.
    """
    handles = [
        module.register_forward_pre_hook(_same_everywhere, with_kwargs=True)
        for module in {id(call.module): call.module for call in calls}.values()
    ]
    try:
        probed = capture_on(clone, inputs).calls
    except Exception:  # noqa: BLE001 - not a pass of the user; the rotation just stays unknown
        _LOG.info("%s fails with the same hidden state at all positions.", type(clone).__name__, exc_info=True)
        return [None] * len(calls)
    finally:
        for handle in handles:
            handle.remove()
    if len(probed) != len(calls):
        return [None] * len(calls)
    angles = [torch.tensor(one, dtype=torch.float64) for one in buffered_angles(clone)]
    return [_rotation(call, angles) for call in probed]


def _same_everywhere(
    _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args and isinstance(args[0], Tensor):
        return (_repeated(args[0]), *args[1:]), kwargs
    states = kwargs.get("hidden_states")
    return args, {**kwargs, "hidden_states": _repeated(states)} if isinstance(states, Tensor) else kwargs


def _repeated(states: Tensor) -> Tensor:
    return states[:, :1].repeat(1, states.shape[1], 1) if states.ndim == 3 else states


def buffered_angles(model: nn.Module) -> tuple[tuple[float, ...], ...]:
    """The angles per token that a model stores in buffers. Some kinds of scaling change them in a pass over a long text."""
    found: dict[tuple[float, ...], None] = {}
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if "inv_freq" in name and buffer.ndim == 1 and buffer.is_floating_point() and not buffer.is_meta:
                found[tuple(buffer.detach().double().tolist())] = None
    return tuple(found)


def _rotation(call: Capture, known: Sequence[Tensor]) -> Rotary | None:
    record = call.record
    if not isinstance(record, QKRecord) or record.queries != record.keys or record.queries < 3:
        return None
    tolerance = _TOLERANCE.get(record.q.dtype, _SINGLE)
    q_and_k = [_Vectors(part.double().cpu()) for part in (record.q, record.k)]
    no_rotation = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, dtype=torch.float64)
    if any(one.size == 0 or not math.isfinite(one.size) for one in q_and_k):
        return None
    if max(one.rotation_error(*no_rotation) for one in q_and_k) <= tolerance:
        return None
    dim = record.shape.qk_dim
    for candidates in (_by_buffers(dim, known), _measured(q_and_k, dim)):
        tried = [
            (max(one.rotation_error(pairs, angles) for one in q_and_k), pairs, angles) for pairs, angles in candidates
        ]
        off, pairs, angles = min(tried, key=lambda one: one[0], default=(math.inf, *no_rotation))
        if off <= tolerance:
            return _described(pairs, angles)
    return None


def _described(pairs: Tensor, angles: Tensor) -> Rotary:
    turning = [(a, b, abs(angle)) for (a, b), angle in zip(pairs.tolist(), angles.tolist(), strict=True) if angle]
    return Rotary(
        pairs=tuple((int(a), int(b)) for a, b, _ in turning),
        wavelengths=tuple(2 * math.pi / angle for _, _, angle in turning),
    )


def _layouts(dim: int, count: int) -> Iterator[Tensor]:
    """The ways in which `count` pairs can be arranged in `dim` dimensions."""
    for start in sorted({0, dim - 2 * count}):
        at = torch.arange(count)
        yield torch.stack([start + at, start + count + at], dim=1)
        yield torch.stack([start + 2 * at, start + 2 * at + 1], dim=1)


def _by_buffers(dim: int, known: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    for angles in known:
        if 0 < 2 * len(angles) <= dim:
            for pairs in _layouts(dim, len(angles)):
                yield pairs, angles


def _measured(q_and_k: Sequence[_Vectors], dim: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Candidate pairs over the range of dimensions that change at all, with the angles that fit best."""
    moves = torch.zeros(dim, dtype=torch.bool)
    for one in q_and_k:
        spread = (one.values - one.values[:, :1]).abs().amax(dim=(0, 1))
        moves |= spread > 1e-6 * one.values.abs().max()
    moving = moves.nonzero().flatten().tolist()
    if not moving:
        return
    first, last = moving[0], moving[-1]
    for count in sorted({(dim - first) // 2, (last + 2) // 2}):
        for pairs in _layouts(dim, count):
            yield pairs, torch.stack([_angle(q_and_k, int(a), int(b)) for a, b in pairs])


def _angle(q_and_k: Sequence[_Vectors], a: int, b: int) -> Tensor:
    """The angle per token of one pair, from steps that double.

    Each step only refines the previous one, so the result is never wrong by a full turn.
    """
    turns: list[Tensor] = []
    for one in q_and_k:
        complex_ = torch.complex(one.values[..., a], one.values[..., b])
        turns.append((complex_ * complex_[:, :1].conj()).sum(dim=0))
    together = torch.stack(turns).sum(dim=0)
    angle, position = together[1].angle(), 1
    while 2 * position < len(together):
        position *= 2
        left = (together[position] * torch.polar(torch.ones(()).double(), -angle * position)).angle()
        angle = angle + left / position
    return angle
