"""The attention of one layer in a trace file: its tensors, and the checks that they fit each other and the description.

Shapes and dtypes are checked before a tensor is read, and its numbers before the layer is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from attnscope.attention import Bias, LayerRecord, Mask, Overrides, QKRecord, WeightsRecord
from attnscope.attention.bias import BiasKind
from attnscope.attention.mask import MaskKind
from attnscope.errors import DamagedError
from attnscope.trace.json_value import JsonValue

FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
_ROW_TOLERANCE = 0.1
"""How much a stored row of weights may exceed a sum of 1: more than rounding in bfloat16 explains."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file that has not been read yet. `dtype` is as safetensors names it ("F32")."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Tensor]


class LayerTensors:
    """The tensors of one layer by the names of its parts. Every tensor must be taken, with a dtype and a shape that fit."""

    def __init__(self, prefix: str, stored: Mapping[str, StoredTensor]) -> None:
        self._prefix = prefix
        self._left = dict(stored)

    def __contains__(self, part: str) -> bool:
        return part in self._left

    def take(self, part: str, dtypes: frozenset[str], shape: tuple[int | None, ...]) -> Tensor:
        """Read a tensor. None in `shape` stands for any size of at least 1."""
        name = f"{self._prefix}{part}"
        found = self._left.pop(part, None)
        if found is None:
            raise DamagedError(f"The tensor {name} is missing.")
        if found.dtype not in dtypes:
            raise DamagedError(f"The tensor {name} cannot have the type {found.dtype}.")
        fits = len(shape) == len(found.shape) and all(
            size >= 1 if wanted is None else size == wanted for wanted, size in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise DamagedError(f"The tensor {name} must have the shape [{wanted}]; got {list(found.shape)}.")
        return found.read()

    def length(self, part: str) -> int:
        """The first size of a tensor, which may be 0; 0 if it is missing or a single number."""
        return next(iter(self._left[part].shape), 0) if part in self._left else 0

    def finite(self, part: str, shape: tuple[int | None, ...]) -> Tensor:
        """Read a tensor of finite numbers."""
        tensor = self.take(part, FLOATS, shape)
        if not bool(tensor.float().isfinite().all()):
            raise DamagedError(f"The tensor {self._prefix}{part} contains NaN or infinity.")
        return tensor

    def integers(self, part: str, shape: tuple[int | None, ...], limits: tuple[int, ...] | int) -> Tensor:
        """Read int32 numbers from 0 to below `limits`: one limit, or one for each column."""
        tensor = self.take(part, frozenset({"I32"}), shape)
        if tensor.numel() and not bool(((tensor >= 0) & (tensor < torch.tensor(limits))).all()):
            raise DamagedError(f"The tensor {self._prefix}{part} contains a number outside its range.")
        return tensor

    def weights(self, part: str, shape: tuple[int | None, ...]) -> Tensor:
        """Read rows of attention weights: finite, not negative, with sums of at most 1 (up to rounding)."""
        tensor = self.finite(part, shape)
        low = bool((tensor >= -_ROW_TOLERANCE).all())
        if not low or not bool((tensor.float().sum(-1) <= 1 + _ROW_TOLERANCE).all()):
            raise DamagedError(f"The tensor {self._prefix}{part} contains rows that are not attention weights.")
        return tensor

    def end(self) -> None:
        """Raise `DamagedError` if a tensor was not taken."""
        if self._left:
            raise DamagedError(f"The tensor {self._prefix}{min(self._left)[:40]} does not belong to its layer.")


def read_layer(
    facts: JsonValue, tensors: LayerTensors, queries: int, keys: int
) -> tuple[LayerRecord, nn.Module | None]:
    """The record of a layer and its output projection, if that is stored. Raises `DamagedError`."""
    projection: nn.Module | None = None
    if facts.field("form").one_of("qk", "weights") == "weights":
        record: LayerRecord = WeightsRecord(tensors.weights("weights", (None, queries, keys)))
    else:
        record = _qk_record(facts, tensors, queries, keys)
        if "projection" in tensors:
            shape = record.shape
            projection = _linear(tensors.finite("projection", (None, shape.heads * shape.v_dim)))
    tensors.end()
    return record, projection


def _qk_record(facts: JsonValue, tensors: LayerTensors, queries: int, keys: int) -> QKRecord:
    q = tensors.finite("q", (None, queries, None))
    k = tensors.finite("k", (None, keys, q.shape[2]))
    v = tensors.finite("v", (k.shape[0], keys, None))
    heads, v_dim = q.shape[0], v.shape[2]
    if heads % k.shape[0]:
        raise DamagedError(f"`{facts.place}` has {heads} heads, which {k.shape[0]} key-value heads do not divide.")
    softcap, bias = facts.optional("softcap"), facts.optional("bias")
    return QKRecord(
        q=q,
        k=k,
        v=v,
        scaling=facts.field("scaling").number(low=torch.finfo(torch.float32).tiny),
        mask=_mask(facts.field("mask"), tensors, heads, queries, keys),
        softcap=None if softcap is None else softcap.number(low=torch.finfo(torch.float32).tiny),
        bias=None if bias is None else _bias(bias, tensors, heads, queries, keys),
        sinks=tensors.finite("sinks", (heads,)) if "sinks" in tensors else None,
        edited=_overrides(tensors, heads, queries, keys, v_dim),
        gate=tensors.finite("gate", (queries, heads, v_dim)) if "gate" in tensors else None,
    )


def _mask(facts: JsonValue, tensors: LayerTensors, heads: int, queries: int, keys: int) -> Mask:
    kind: MaskKind = facts.field("kind").one_of(*get_args(MaskKind))
    facts.field("keys").exactly(keys, "the number of keys")
    window, symmetric = facts.optional("window"), facts.optional("symmetric")
    lo, hi = (tensors.integers(f"mask.{end}", (queries,), keys + 1) for end in ("lo", "hi"))
    valid = tensors.take("mask.valid", frozenset({"BOOL"}), (keys,)) if "mask.valid" in tensors else None
    bits = None
    if kind == "dense":
        bits = _shared_or_by_head(tensors, "mask.bits", frozenset({"U8"}), heads, (queries, (keys + 7) // 8))
    if kind == "full" and not (bool((lo == 0).all()) and bool((hi == keys).all())):
        raise DamagedError(f"`{facts.place}` is said to be full, but it excludes keys.")
    if (window is None) == (kind == "window"):
        raise DamagedError(f"`{facts.place}` must have a window if it is of the kind window, and only then.")
    return Mask(
        kind,
        lo,
        hi,
        keys,
        valid,
        bits,
        None if window is None else window.integer(0, queries + keys),
        symmetric=symmetric is not None and symmetric.boolean(),
    )


def _bias(facts: JsonValue, tensors: LayerTensors, heads: int, queries: int, keys: int) -> Bias:
    kind: BiasKind = facts.field("kind").one_of(*get_args(BiasKind))
    facts.field("queries").exactly(queries, "the number of queries")
    facts.field("keys").exactly(keys, "the number of keys")
    shape = {"relative": (queries + keys - 1,), "key": (keys,), "dense": (queries, keys)}[kind]
    values = _shared_or_by_head(tensors, "bias", frozenset({"F32"}), heads, shape)
    if bool((values.isnan() | (values == torch.inf)).any()):
        raise DamagedError(f"`{facts.place}` contains NaN or infinity.")
    return Bias(kind, values, queries, keys)


def _shared_or_by_head(
    tensors: LayerTensors, part: str, dtypes: frozenset[str], heads: int, shape: tuple[int, ...]
) -> Tensor:
    """A tensor with a leading size of `heads`, or of 1 if all heads share it."""
    values = tensors.take(part, dtypes, (None, *shape))
    if values.shape[0] not in (1, heads):
        raise DamagedError(f"The tensor {part} is for {values.shape[0]} heads, but the layer has {heads}.")
    return values


def _overrides(tensors: LayerTensors, heads: int, queries: int, keys: int, v_dim: int) -> Overrides | None:
    if "edited.cuts" not in tensors:
        return None
    rows, count, cuts = (tensors.length(f"edited.{part}") for part in ("rows_at", "heads", "cuts"))
    rows_at = tensors.integers("edited.rows_at", (rows, 2), (heads, queries))
    changed = tensors.integers("edited.heads", (count,), heads)
    order = rows_at[:, 0].long() * queries + rows_at[:, 1]
    if not bool((order.diff() > 0).all()) or len(changed.unique()) != count:
        raise DamagedError("The edited rows or heads of a layer are listed more than once, or out of order.")
    return Overrides(
        cuts=tensors.integers("edited.cuts", (cuts, 3), (heads, queries, keys)),
        rows_at=rows_at,
        rows=tensors.weights("edited.rows", (rows, keys)),
        heads=changed,
        kept=tensors.finite("edited.kept", (count, queries)),
        outputs=tensors.finite("edited.outputs", (count, queries, v_dim)),
    )


def _linear(matrix: Tensor) -> nn.Linear:
    linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(matrix, requires_grad=False)
    return linear
