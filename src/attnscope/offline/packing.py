"""Pack layers for a file: q and k are rounded as coarsely as a given error of the attention weights allows.

A score is a sum over dimensions of q_d · k_d. Rounding q_d to steps of s / σ(k_d) and k_d to steps of s / σ(q_d) gives every
dimension the same share of the error, which needs the fewest bits. The step s is chosen for each head, so that the error of its
attention weights stays below the given one. The error is then measured over all weights of the layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnscope.attention import LayerRecord, QKRecord
from attnscope.attention.record import ROWS_AT_ONCE

Arrays = dict[str, np.ndarray]

SCORE_ERRORS = 1.5
"""The typical error of a score is at most this many times the error of a weight, even where the weights would allow more."""

BYTE_ERROR = 1 / 255
"""The largest error of a weight whose square root is stored in one byte."""

_ROUNDS = 8
_SAFETY = 0.93
_K_SHARE = 0.75
_BYTE, _WORD = 255, 65535
_KEPT_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class Packed:
    """The tensors of a packed layer, the names of those that are packed, and the largest errors.

    `error` is the error of an attention weight; `dot_error` is that of a dot product q · k, or None without q and k.
    """

    arrays: Arrays
    names: tuple[str, ...]
    error: float
    dot_error: float | None = None
    triangle: bool = False


def pack_vectors(record: QKRecord, error: float) -> Packed:
    """Pack q and k as integer multiples of a step, such that the error of each attention weight is at most about `error`."""
    heads = torch.arange(record.shape.heads)
    groups = record.key_head(heads)
    q, k = record.q.float().cpu(), record.k.float().cpu()
    mean = k.mean(1, keepdim=True).half().float()
    per_q = _relative(_typical(k))
    per_k = _relative(torch.stack([_typical(q[groups == group].flatten(0, 1)[None])[0] for group in range(len(k))]))
    exact = _Exact(record, heads)

    def rounded(of_q: Tensor, of_k: Tensor) -> tuple[QKRecord, Tensor, Tensor, Arrays]:
        """Round q and k with steps that add errors `of_q` [heads] and `of_k` [kv_heads] to each product q_d · k_d."""
        unit_q, unit_k = of_q / per_q.unit[groups], of_k / per_k.unit
        step_q, step_k = (
            unit_q[:, None, None] * per_q.size[groups][:, None],
            unit_k[:, None, None] * per_k.size[:, None],
        )
        whole_q, whole_k = (q / step_q).round(), ((k - mean) / step_k).round()
        coarse = replace(record, q=whole_q * step_q, k=whole_k * step_k + mean)
        return coarse, whole_q, whole_k, {"q_unit": unit_q.numpy(), "k_unit": unit_k.numpy()}

    most = SCORE_ERRORS * error / (record.scaling * math.sqrt(record.shape.qk_dim / 6))
    of_q, of_k = torch.full((len(q),), most / 2), torch.full((len(k),), most / 2)
    coarse, whole_q, whole_k, units = rounded(of_q, of_k)
    off = exact.differences(coarse)
    # The error grows with the step, so one measurement nearly gives the right steps. k is shared by all heads of its group:
    # it is rounded a little more finely than its most sensitive head needs, and q correspondingly more coarsely.
    slope = (2 * off / most).clamp_min(1e-12)
    of_k = (_K_SHARE * error / _largest(slope, groups, len(k))).clamp_max(most)
    rest = (error**2 - (slope * of_k[groups]) ** 2 / 2).clamp_min(0.2 * error**2)
    of_q = ((2 * rest).sqrt() / slope).clamp_max(most)
    for _ in range(_ROUNDS):
        coarse, whole_q, whole_k, units = rounded(of_q, of_k)
        off = exact.differences(coarse)
        if bool((off <= error).all()):
            break
        factor = torch.where(off > error, _SAFETY * error / off, torch.ones_like(off))
        of_q = of_q * factor
        of_k = of_k / _largest(1 / factor, groups, len(k)).sqrt()
    arrays = {
        **units,
        "q_planes": _planes(_zigzag(whole_q.transpose(1, 2))),
        "q_size": per_q.size.half().numpy(),
        "k_planes": _planes(_zigzag(whole_k.transpose(1, 2))),
        "k_size": per_k.size.half().numpy(),
        "k_mean": mean[:, 0].half().numpy(),
    }
    return Packed(arrays, ("q", "k"), float(off.max()), exact.largest_dot_error(coarse))


def pack_weights(record: LayerRecord, error: float) -> Packed:
    """Pack the square roots of the weights in one byte each, or in two if `error` requires it.

    The part above the diagonal is dropped if it is all zeros.
    """
    full = _BYTE if error >= BYTE_ERROR else _WORD
    shape = (record.shape.heads, record.queries, record.keys)
    roots = np.empty(shape, np.uint8 if full == _BYTE else np.uint16)
    most = 0.0
    for head in range(shape[0]):
        for rows, weights in record.tiles(torch.tensor([head])):
            root = (weights[0].clamp(0, 1).sqrt() * full).round()
            roots[head, rows[0] : rows[-1] + 1] = root.numpy().astype(roots.dtype)
            most = max(most, ((root / full) ** 2 - weights[0]).abs().max().item())
    under = np.tri(shape[1], shape[2], shape[2] - shape[1], dtype=bool)
    triangle = shape[2] > 1 and not roots[:, ~under].any()
    values = roots[:, under] if triangle else roots
    return Packed({"attention_planes": _planes(values.reshape(-1))}, ("attention",), most, triangle=triangle)


class _Exact:
    """The exact layer, for comparing rounded ones with it. Its weights are cached if there are few of them."""

    def __init__(self, record: QKRecord, heads: Tensor) -> None:
        self._record, self._heads = record, heads
        few = 4 * len(heads) * record.queries * record.keys <= _KEPT_BYTES
        self._tiles = list(record.tiles(heads)) if few else None

    def differences(self, coarse: QKRecord) -> Float[Tensor, "heads"]:
        """The largest difference of an attention weight, for each head."""
        most = torch.zeros(len(self._heads))
        for rows, weights in self._tiles or self._record.tiles(self._heads):
            most = torch.maximum(most, (coarse.attention(self._heads, rows) - weights).abs().amax((1, 2)))
        return most

    def largest_dot_error(self, coarse: QKRecord) -> float:
        """The largest difference of a dot product q · k."""
        most = 0.0
        for rows in torch.arange(coarse.queries).split(ROWS_AT_ONCE):
            exact, other = (one.dot_products(self._heads, rows) for one in (self._record, coarse))
            most = max(most, (exact - other).abs().max().item())
        return most


def _typical(vectors: Float[Tensor, "heads tokens dim"]) -> Float[Tensor, "heads dim"]:
    """The root mean square of each dimension, bounded away from zero."""
    size = vectors.square().mean(1).sqrt()
    return size.clamp_min(max(1e-3 * float(size.max()), 1e-6))


@dataclass(frozen=True, eq=False)
class _Relative:
    """Step sizes [heads, dim] relative to the smallest of their head, exact in float16. `unit` is the inverse of that one."""

    size: Tensor
    unit: Tensor


def _relative(typical: Float[Tensor, "heads dim"]) -> _Relative:
    """The relative step sizes: the larger the other factor of a product typically is, the smaller the step."""
    largest = typical.amax(1)
    return _Relative((largest[:, None] / typical).half().float(), largest)


def _largest(values: Float[Tensor, "heads"], groups: Tensor, count: int) -> Float[Tensor, "kv_heads"]:
    return torch.stack([values[groups == group].max() for group in range(count)])


def _zigzag(whole: Tensor) -> Int[np.ndarray, "..."]:
    """Map signed integers to unsigned ones: 0, −1, 1, −2, … become 0, 1, 2, 3, …."""
    numbers = whole.contiguous().numpy().astype(np.int64)
    return (numbers << 1) ^ (numbers >> 63)


def _planes(numbers: Int[np.ndarray, "..."]) -> np.ndarray:
    """Split numbers ≥ 0 into byte planes, lowest byte first, as many as the largest number needs: uint8 [plane, …]."""
    count = max(1, -(-int(numbers.max(initial=0)).bit_length() // 8))
    return np.stack([((numbers >> (8 * plane)) & 255).astype(np.uint8) for plane in range(count)])
