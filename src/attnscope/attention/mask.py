"""Attention masks in O(queries + keys) numbers where the pattern allows it.

Nearly every mask in use (full, causal, sliding window, chunks, packed sequences, padding on either side) lets query i attend to
one interval of keys, minus keys that are masked for every query. Such a mask takes two integers per query and one bit per
key. `Mask.fit` looks for that form in the mask tensor passed to the attention function and compares it with every entry; any
other mask is kept as packed bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Int, Int32, UInt8
from torch import Tensor

MaskKind = Literal["full", "causal", "window", "interval", "dense"]

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Mask:
    """Query `i` may attend to key `j` iff `lo[i] <= j < hi[i]` and `valid[j]`; if `bits` is set, iff the bit of `j` is set.

    `kind` names the pattern for display: `full`, `causal`, `window` (the last `window` keys up to and including the query; if
    `symmetric`, the query itself and `window` keys on either side), `interval`, or `dense`. `valid` is None if every key is
    open to at least one query. Bit `j & 7` (least significant first) of byte `j >> 3` of `bits[head, i]` stands for key `j`; a
    leading size of 1 means that all heads share the mask.
    """

    kind: MaskKind
    lo: Int32[Tensor, "queries"]
    hi: Int32[Tensor, "queries"]
    keys: int
    valid: Bool[Tensor, "keys"] | None = None
    bits: UInt8[Tensor, "heads queries bytes"] | None = None
    window: int | None = None
    symmetric: bool = False

    @property
    def queries(self) -> int:
        """Number of queries."""
        return self.lo.shape[0]

    @property
    def nbytes(self) -> int:
        """Size of the mask in bytes, as stored."""
        parts = (self.lo, self.hi, self.valid, self.bits)
        return sum(part.numel() * part.element_size() for part in parts if part is not None)

    @classmethod
    def full(cls, queries: int, keys: int) -> Mask:
        """A mask that lets every query attend to every key."""
        return cls(
            "full", torch.zeros(queries, dtype=torch.int32), torch.full((queries,), keys, dtype=torch.int32), keys
        )

    @classmethod
    def causal(cls, queries: int, keys: int, offset: int = 0) -> Mask:
        """A mask that lets query `i` attend to keys 0 to `i + offset`."""
        hi = (torch.arange(queries, dtype=torch.int32) + 1 + offset).clamp(0, keys)
        return cls("causal", torch.zeros(queries, dtype=torch.int32), hi, keys)

    @classmethod
    def fit(cls, allowed: Bool[Tensor, "heads queries keys"]) -> Mask:
        """Describe `allowed` exactly in the smallest form that fits. A leading size of 1 means that all heads share the mask."""
        allowed = allowed.detach()
        if allowed.shape[0] > 1 and all(torch.equal(allowed[0], other) for other in allowed[1:]):
            allowed = allowed[:1]
        if allowed.shape[0] == 1:
            found = _fit_intervals(allowed[0])
            if found is not None:
                return found
        _, queries, keys = allowed.shape
        empty = torch.zeros(queries, dtype=torch.int32)
        return cls("dense", empty, empty.clone(), keys, bits=_pack(allowed))

    def allowed(self, rows: Tensor, span: slice = slice(None)) -> Bool[Tensor, "heads rows span"]:
        """Which keys in `span` the queries with the indices `rows` may attend to.

        The leading size is 1 if all heads share the mask.
        """
        if self.bits is not None:
            return _unpack(self.bits[:, rows], self.keys)[..., span]
        keys = torch.arange(self.keys)[span]
        open_ = (keys >= self.lo[rows, None]) & (keys < self.hi[rows, None])
        if self.valid is not None:
            open_ &= self.valid[span]
        return open_[None]

    def span(self, rows: Tensor) -> slice:
        """The range of keys from the first to the last that any of the queries `rows` may attend to."""
        if self.bits is not None or not len(rows):
            return slice(0, self.keys)
        return slice(int(self.lo[rows].min()), max(int(self.hi[rows].max()), int(self.lo[rows].min())))

    def open_to_all(self, rows: Tensor) -> slice:
        """A range of keys that every one of the queries `rows` may attend to, read off the intervals; may be empty."""
        if self.bits is not None or self.valid is not None or not len(rows):
            return slice(0, 0)
        start = min(int(self.lo[rows].max()), self.span(rows).stop)
        return slice(start, max(start, int(self.hi[rows].min())))

    def count(self, rows: Tensor, among: Bool[Tensor, "keys"] | None = None) -> Int[Tensor, "heads rows"]:
        """The number of keys (only those in `among`, if passed) that each of the queries `rows` may attend to."""
        if self.bits is not None:
            parts = [self.allowed(part) for part in rows.split(_ROWS_AT_ONCE)]
            return torch.cat([(part if among is None else part & among).sum(-1) for part in parts], dim=1)
        counted = [mask for mask in (self.valid, among) if mask is not None]
        if not counted:
            return (self.hi[rows] - self.lo[rows]).clamp(min=0).long()[None]
        before = torch.zeros(self.keys + 1, dtype=torch.int64)
        before[1:] = torch.stack(counted).all(0).cumsum(0)
        lo = self.lo[rows].long()
        return (before[torch.maximum(self.hi[rows].long(), lo)] - before[lo])[None]

    def allows(self, rows: Tensor, keys: Tensor) -> Bool[Tensor, "heads pairs"]:
        """Whether query `rows[n]` may attend to key `keys[n]`, for every pair n."""
        if self.bits is not None:
            return ((self.bits[:, rows, keys >> 3] >> (keys & 7)) & 1).bool()
        open_ = (keys >= self.lo[rows]) & (keys < self.hi[rows])
        if self.valid is not None:
            open_ &= self.valid[keys]
        return open_[None]

    def of_head(self, head: int) -> Mask:
        """The mask of one head, where heads have masks of their own; else this mask."""
        return self if self.bits is None or len(self.bits) == 1 else replace(self, bits=self.bits[head : head + 1])

    def same(self, other: Mask) -> bool:
        """Whether two masks have the same description; equal masks with different descriptions count as different."""
        if self is other:
            return True
        if self.keys != other.keys or self.queries != other.queries:
            return False
        pairs = ((self.lo, other.lo), (self.hi, other.hi), (self.valid, other.valid), (self.bits, other.bits))
        return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)

    def has_keys(self, rows: Tensor) -> Bool[Tensor, "rows"]:
        """Whether each of the queries `rows` may attend to any key (in every head, if the mask differs by head)."""
        return (self.count(rows) > 0).all(0)


def _fit_intervals(allowed: Bool[Tensor, "queries keys"]) -> Mask | None:
    keys = allowed.shape[1]
    open_keys = allowed.any(0).cpu()
    valid = None if bool(open_keys.all()) else open_keys
    as_int = allowed.to(torch.uint8)
    has_keys = allowed.any(1).cpu()
    lo = torch.where(has_keys, as_int.argmax(1).cpu(), 0).to(torch.int32)
    hi = torch.where(has_keys, keys - as_int.flip(1).argmax(1).cpu(), 0).to(torch.int32)
    for candidate in candidates(lo, hi, keys, valid):
        if _same(candidate, allowed):
            return candidate
    return None


def candidates(lo: Tensor, hi: Tensor, keys: int, valid: Tensor | None) -> list[Mask]:
    """The masks to try, named patterns first.

    `lo` and `hi` alone do not tell: padding moves the measured ends of a named pattern.
    """
    queries = lo.shape[0]
    position = torch.arange(queries, dtype=torch.int32)
    zero, end = torch.zeros_like(lo), torch.full_like(hi, keys)
    offset = keys - queries
    after = (position + 1 + offset).clamp(0, keys).to(torch.int32)
    widest = int((hi - lo).max()) if queries else 0
    behind = int((position + offset - lo).max()) if queries else 0
    both_lo = (position + offset - behind).clamp(min=0).to(torch.int32)
    both_hi = (position + offset + behind + 1).clamp(max=keys).to(torch.int32)
    return [
        Mask("full", zero, end, keys, valid),
        Mask("causal", zero, after, keys, valid),
        Mask("window", (after - widest).clamp(min=0).to(torch.int32), after, keys, valid, window=widest),
        Mask("window", both_lo, both_hi, keys, valid, window=behind, symmetric=True),
        Mask("interval", lo, hi, keys, valid),
    ]


def _same(mask: Mask, allowed: Bool[Tensor, "queries keys"]) -> bool:
    for start in range(0, allowed.shape[0], _ROWS_AT_ONCE):
        rows = torch.arange(start, min(start + _ROWS_AT_ONCE, allowed.shape[0]))
        if not torch.equal(mask.allowed(rows)[0], allowed[start : start + len(rows)].cpu()):
            return False
    return True


def _pack(allowed: Bool[Tensor, "heads queries keys"]) -> UInt8[Tensor, "heads queries bytes"]:
    heads, queries, keys = allowed.shape
    padded = torch.nn.functional.pad(allowed.cpu().to(torch.uint8), (0, -keys % 8)).view(heads, queries, -1, 8)
    return (padded << torch.arange(8, dtype=torch.uint8)).sum(-1, dtype=torch.uint8)


def _unpack(bits: UInt8[Tensor, "heads rows bytes"], keys: int) -> Bool[Tensor, "heads rows keys"]:
    spread = (bits[..., None] >> torch.arange(8, dtype=torch.uint8)) & 1
    return spread.flatten(-2)[..., :keys].bool()
