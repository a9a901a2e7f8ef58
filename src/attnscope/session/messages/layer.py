"""The `layer` response: everything a page needs to compute any attention row of any head in a layer (docs/reference/wire.md)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from attnscope.attention import LayerRecord, Mask, QKRecord, WeightsRecord
from attnscope.errors import UnsupportedError
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import Arrays


class MaskFields(TypedDict):
    """The mask: which keys each query can attend to. The rest of the mask is in the tensors."""

    kind: str
    window: NotRequired[int]
    symmetric: NotRequired[bool]


class BiasFields(TypedDict):
    """The bias that is added to the scores."""

    kind: str


class LayerFacts(TypedDict):
    """The fields of a `layer` response, apart from its error and its place."""

    form: Literal["qk", "weights"]
    heads: int
    kv_heads: int
    queries: int
    keys: int
    qk_dim: int
    scaling: float | None
    softcap: float | None
    bias: BiasFields | None
    mask: MaskFields
    sinks: bool


class LayerFields(LayerFacts):
    """The fields of a `layer` response, apart from its place (trace, stack and layer)."""

    error: float


LARGEST_ERROR = 1e-3
"""The largest error of an attention weight for q and k in float16. Above it, they are sent as float32."""

_SAMPLED_ROWS = 16


def layer_message(record: LayerRecord, limits: Limits, *, exact: bool = False) -> tuple[LayerFields, Arrays]:
    """The fields and tensors of a `layer` response; if `exact`, q and k are not rounded.

    Raises `TooLongError` before allocating anything too large.
    """
    if isinstance(record, QKRecord):
        return _qk_message(record, limits, exact=exact)
    if isinstance(record, WeightsRecord):
        return _weights_message(record, limits)
    raise UnsupportedError(f"A layer of type {type(record).__name__} cannot be sent to a page.")


def _qk_message(record: QKRecord, limits: Limits, *, exact: bool) -> tuple[LayerFields, Arrays]:
    shape = record.shape
    cells = shape.heads * record.queries + shape.kv_heads * record.keys
    others = sum(part.nbytes for part in (record.mask, record.bias, record.edited) if part is not None)
    limits.check_answer(4 * cells * shape.qk_dim + others)
    arrays, error = ({}, math.nan) if exact else _half(record)
    if not error <= LARGEST_ERROR:  # also true if the error is NaN: float16 overflowed, or was not tried
        arrays, error = {"q": _float32(record.q), "k": _float32(record.k)}, 0.0
    fields, others = qk_facts(record)
    return {**fields, "error": error}, arrays | others


def qk_facts(record: QKRecord) -> tuple[LayerFacts, Arrays]:
    """The fields of a `layer` response of form `qk`, and its tensors other than q and k: mask, bias, sinks, edits."""
    shape = record.shape
    mask, arrays = _mask(record.mask)
    bias: BiasFields | None = None
    if record.bias is not None:
        bias = {"kind": record.bias.kind}
        values = record.bias.values
        complete = record.bias.kind == "dense" or values.shape[0] > 1
        arrays["bias"] = _float32(values if complete else values.expand(shape.heads, -1))
    if record.sinks is not None:
        arrays["sink"] = _float32(record.sinks)
    edited = record.edited
    if edited is not None and len(edited.rows_at):
        arrays |= {"rows_at": edited.rows_at.cpu().numpy(), "rows_attention": _float32(edited.rows)}
    if edited is not None and len(edited.cuts):
        arrays["cuts"] = edited.cuts.cpu().numpy()
    fields: LayerFacts = {
        "form": "qk",
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "queries": record.queries,
        "keys": record.keys,
        "qk_dim": shape.qk_dim,
        "scaling": float(record.scaling),
        "softcap": None if record.softcap is None else float(record.softcap),
        "bias": bias,
        "mask": mask,
        "sinks": record.sinks is not None,
    }
    return fields, arrays


def _half(record: QKRecord) -> tuple[Arrays, float]:
    """q and the centered k in float16, and the error of the weights computed from them."""
    mean = record.k.float().mean(dim=1, keepdim=True)
    q, k = record.q.to(torch.float16), (record.k.float() - mean).to(torch.float16)
    error = _difference(record, replace(record, q=q.float(), k=k.float() + mean))
    return {"q": q.cpu().numpy(), "k": k.cpu().numpy(), "k_mean": _float32(mean[:, 0])}, error


def _difference(exact: QKRecord, sent: QKRecord) -> float:
    """The largest difference between the weights of two records, in every head and a sample of rows.

    NaN if float16 cannot represent q or k.
    """
    count = min(_SAMPLED_ROWS, exact.queries)
    rows = torch.tensor(sorted({i * (exact.queries - 1) // max(count - 1, 1) for i in range(count)}))
    worst = 0.0
    for index in range(exact.shape.heads):
        head = torch.tensor([index])
        if not _representable(sent, head):
            return math.nan
        worst = max(worst, (exact.attention(head, rows) - sent.attention(head, rows)).abs().max().item())
    return worst


def _representable(record: QKRecord, head: Tensor) -> bool:
    return bool(record.q[head].isfinite().all()) and bool(record.k[record.key_head(head)].isfinite().all())


def _mask(mask: Mask) -> tuple[MaskFields, Arrays]:
    described: MaskFields = {"kind": mask.kind}
    if mask.window is not None:
        described = {"kind": mask.kind, "window": mask.window, "symmetric": mask.symmetric}
    if mask.bits is not None:
        return described, {"mask_bits": mask.bits.cpu().numpy()}
    arrays: Arrays = {"mask_lo": mask.lo.cpu().numpy(), "mask_hi": mask.hi.cpu().numpy()}
    if mask.valid is not None:
        arrays["mask_valid"] = mask.valid.cpu().numpy().astype(np.uint8)
    return described, arrays


def _weights_message(record: WeightsRecord, limits: Limits) -> tuple[LayerFields, Arrays]:
    heads, queries, keys = record.shape.heads, record.queries, record.keys
    limits.check_answer(heads * queries * keys)
    packed = np.empty((heads, queries, keys), dtype=np.uint8)
    error = 0.0
    for head in range(heads):
        for rows, weights in record.tiles(torch.tensor([head])):
            root = (weights[0].sqrt() * 255).round()
            packed[head, rows[0] : rows[-1] + 1] = root.to(torch.uint8).numpy()
            error = max(error, ((root / 255) ** 2 - weights[0]).abs().max().item())
    return {**weights_facts(record), "error": error}, {"attention": packed}


def weights_facts(record: LayerRecord) -> LayerFacts:
    """The fields of a `layer` response of form `weights`, apart from its error and its place."""
    return {
        "form": "weights",
        "heads": record.shape.heads,
        "kv_heads": record.shape.heads,
        "queries": record.queries,
        "keys": record.keys,
        "qk_dim": 0,
        "scaling": None,
        "softcap": None,
        "bias": None,
        "mask": {"kind": record.mask.kind if isinstance(record, QKRecord) else "unknown"},
        "sinks": False,
    }


def tile_arrays(record: LayerRecord, heads: list[int], rows: list[int], limits: Limits) -> Arrays:
    """The exact rows of a `tile` response: attention and, if known, scores; float32 [heads, rows, keys]."""
    limits.check_answer(2 * 4 * len(heads) * len(rows) * record.keys)
    which, at = torch.tensor(heads), torch.tensor(rows)
    arrays = {"attention": _float32(record.attention(which, at))}
    if isinstance(record, QKRecord):
        arrays["scores"] = _float32(record.scores(which, at))
    return arrays


def _float32(values: Tensor) -> np.ndarray:
    return values.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy()
