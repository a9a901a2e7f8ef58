"""The attention of one layer, stored as q, k, v and a mask, from which any row can be computed.

    score  s_ij = cap · tanh(q_i · k_j · scaling / cap) + b_ij      (without a cap: q_i · k_j · scaling + b_ij)
    weight α_ij = exp(s_ij) / (Σ_j' exp(s_ij') + exp(sink))         over the unmasked keys j' (Vig 2019, equation 1)
    output o_i  = Σ_j α_ij v_j

In an edited forward pass q, k and v are the edited ones, and `edited` holds the scores, rows and outputs that edits changed.
All arithmetic is in float32, whatever the model's own dtype.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from attnscope.attention.bias import Bias
from attnscope.attention.mask import Mask
from attnscope.attention.overrides import Overrides
from attnscope.types import LayerShape

ROWS_AT_ONCE = 128

_MASKED = -1e30
"""A finite stand-in for -inf, for scores that are later multiplied by a weight of 0: 0 × -inf would be NaN."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A few rows of α and their logarithms, from which entropies are computed. The caller may overwrite both.

    A tile holds only the keys in `span`; every weight outside it is 0. `logs` is ln α up to a constant per row, and an
    arbitrary finite number where α is 0.
    """

    rows: Tensor
    span: slice
    weights: Float[Tensor, "heads rows span"]
    logs: Float[Tensor, "heads rows span"]


class LayerRecord(ABC):
    """The attention of one layer. Heads, rows and keys are indices; every result is float32 on the CPU."""

    @property
    @abstractmethod
    def shape(self) -> LayerShape:
        """Heads and sizes of the layer."""

    @property
    @abstractmethod
    def queries(self) -> int:
        """Number of query positions."""

    @property
    @abstractmethod
    def keys(self) -> int:
        """Number of key positions."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Size of the record in bytes."""

    @abstractmethod
    def attention(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Attention weights α. A row sums to 1, to less with a learned sink, and to 0 if all its keys are masked."""

    @abstractmethod
    def tile(self, heads: Tensor, rows: Tensor) -> Tile:
        """These rows of α and their logarithms, over the range of keys that any of them may attend to."""

    def tiles(self, heads: Tensor) -> Iterator[tuple[Tensor, Float[Tensor, "heads rows keys"]]]:
        """Iterate over all rows of α in order, a few at a time, as pairs (row indices, α of those rows)."""
        for start in range(0, self.queries, ROWS_AT_ONCE):
            rows = torch.arange(start, min(start + ROWS_AT_ONCE, self.queries))
            yield rows, self.attention(heads, rows)


@dataclass(frozen=True, eq=False)
class QKRecord(LayerRecord):
    """A layer stored as queries, keys and values, after rotary embedding and any other transformation by the model.

    With grouped-query attention `k` and `v` have fewer heads than `q`: query head h uses key head `h * kv_heads // heads`.
    `sinks` holds one learned score per head, which takes part in the softmax but has no value vector. `gate` is the factor that
    the model multiplies the heads' outputs by before the output projection; None if the model has no such gate.
    """

    q: Float[Tensor, "heads queries qk_dim"]
    k: Float[Tensor, "kv_heads keys qk_dim"]
    v: Float[Tensor, "kv_heads keys v_dim"]
    scaling: float
    mask: Mask
    softcap: float | None = None
    bias: Bias | None = None
    sinks: Float[Tensor, "heads"] | None = None
    edited: Overrides | None = None
    gate: Float[Tensor, "queries heads v_dim"] | None = None

    @property
    def shape(self) -> LayerShape:
        """Heads and sizes of the layer."""
        return LayerShape(self.q.shape[0], self.k.shape[0], self.q.shape[2], self.v.shape[2])

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.q.shape[1]

    @property
    def keys(self) -> int:
        """Number of key positions."""
        return self.k.shape[1]

    @property
    def nbytes(self) -> int:
        """Size of the record in bytes."""
        parts = (self.q, self.k, self.v, self.gate)
        tensors = sum(part.numel() * part.element_size() for part in parts if part is not None)
        others = (self.mask, self.bias, self.edited)
        return tensors + sum(part.nbytes for part in others if part is not None)

    def key_head(self, heads: Tensor) -> Tensor:
        """The key and value heads that these query heads use."""
        return heads * self.k.shape[0] // self.q.shape[0]

    def dot_products(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """The dot products q · k, without scaling."""
        return self._products(heads, rows, slice(0, self.keys), 1.0)

    def scores(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Scores before the softmax, with scaling, soft cap, bias and mask applied; -inf where a key is masked."""
        span = self.mask.span(rows)
        scores = pad(self._scores(heads, rows, span), (span.start, self.keys - span.stop), value=-torch.inf)
        return scores if self.edited is None else self.edited.cut(scores, heads, rows)

    def attention(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Attention weights α."""
        span = self.mask.span(rows)
        weights = self._softmax(self._scores(heads, rows, span), heads, rows)
        if span != slice(0, self.keys):
            weights = pad(weights, (span.start, self.keys - span.stop))
        return weights if self.edited is None else self.edited.replace(weights, heads, rows)

    def tile(self, heads: Tensor, rows: Tensor) -> Tile:
        """Attention weights α, with the scores as their logarithms."""
        if self.edited is not None and bool(self.edited.found(heads, rows)[0].any()):
            weights = self.attention(heads, rows)
            return Tile(rows, slice(0, self.keys), weights, weights.clamp(min=torch.finfo(torch.float32).tiny).log())
        span = self.mask.span(rows)
        all_heads = torch.equal(heads, torch.arange(self.q.shape[0]))
        products = self._products_by_group(rows, span) if all_heads else self._products(heads, rows, span, self.scaling)
        scores = self._finished(products, heads, rows, span, _MASKED)
        if self.bias is not None:
            scores.clamp_(min=_MASKED)
        return Tile(rows, span, self._softmax(scores, heads, rows).contiguous(), scores)

    def _softmax(self, scores: Tensor, heads: Tensor, rows: Tensor) -> Tensor:
        """α from scores: the softmax, including the learned sink if there is one; 0 in rows where all keys are masked."""
        if self.sinks is not None:
            sink = self.sinks[heads].float().cpu()[:, None, None].expand(-1, len(rows), 1)
            return torch.softmax(torch.cat([scores, sink], dim=-1), dim=-1)[..., :-1]
        weights = torch.softmax(scores, dim=-1)
        empty = self.mask.count(rows) == 0
        if bool(empty.any()):
            weights.masked_fill_((empty[heads] if empty.shape[0] > 1 else empty)[..., None], 0.0)
        return weights

    def _scores(self, heads: Tensor, rows: Tensor, span: slice) -> Float[Tensor, "heads rows span"]:
        """The scores of the keys in `span`; keys outside it must be masked for all of these rows."""
        return self._finished(self._products(heads, rows, span, self.scaling), heads, rows, span, -torch.inf)

    def _finished(self, scores: Tensor, heads: Tensor, rows: Tensor, span: slice, masked: float) -> Tensor:
        """Apply soft cap, bias and mask to scaled dot products; masked keys get the score `masked`."""
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if self.bias is not None:
            bias = self.bias.rows(rows)[..., span]
            scores = scores + (bias[heads] if bias.shape[0] > 1 else bias)
        shared = self.mask.open_to_all(rows)  # filling a whole tile would take longer than computing it
        if shared.start == shared.stop:
            shared = slice(span.stop, span.stop)
        for part in (slice(span.start, shared.start), slice(shared.stop, span.stop)):
            if part.stop > part.start:
                allowed = self.mask.allowed(rows, part)
                forbidden = ~(allowed[heads] if allowed.shape[0] > 1 else allowed)
                scores[..., part.start - span.start : part.stop - span.start].masked_fill_(forbidden, masked)
        return scores

    def _products(self, heads: Tensor, rows: Tensor, span: slice, scaling: float) -> Tensor:
        q = self.q[heads[:, None], rows].float() * scaling
        k = self.k[:, span][self.key_head(heads)].float()
        return (q @ k.transpose(1, 2)).cpu()

    def _products_by_group(self, rows: Tensor, span: slice) -> Tensor:
        """Scaled dot products of all heads, one matrix product per group: no key is copied for each head of its group."""
        q = self.q[:, rows].float() * self.scaling
        k = self.k[:, span].float()
        by_group = q.reshape(k.shape[0], -1, q.shape[2]) @ k.transpose(1, 2)
        return by_group.reshape(q.shape[0], len(rows), -1).cpu()

    def output(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows v_dim"]:
        """Each head's output before the output projection: Σ_j α_ij v_j, or what edits replaced it with."""
        values = self.v[self.key_head(heads)].float().cpu()
        parts = [self.attention(heads, part) @ values for part in rows.split(ROWS_AT_ONCE)]
        outputs = torch.cat(parts, dim=1) if parts else values[:, :0]
        return outputs if self.edited is None else self.edited.change(outputs, heads, rows)

    def passed_on(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows v_dim"]:
        """What the output projection reads from each head: its output, times the gate if the model has one."""
        outputs = self.output(heads, rows)
        return outputs if self.gate is None else outputs * self.gate[rows][:, heads].transpose(0, 1).float().cpu()


@dataclass(frozen=True, eq=False)
class WeightsRecord(LayerRecord):
    """A layer of which only the attention weights are known: reported by the model itself, or passed in by the user."""

    weights: Float[Tensor, "heads queries keys"]

    @property
    def shape(self) -> LayerShape:
        """Heads of the layer; the unknown sizes of q, k and v are 0."""
        return LayerShape(self.weights.shape[0], self.weights.shape[0], 0, 0)

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.weights.shape[1]

    @property
    def keys(self) -> int:
        """Number of key positions."""
        return self.weights.shape[2]

    @property
    def nbytes(self) -> int:
        """Size of the weights in bytes."""
        return self.weights.numel() * self.weights.element_size()

    def attention(self, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Attention weights α, as reported or passed in."""
        return self.weights[heads][:, rows].float().cpu()

    def tile(self, heads: Tensor, rows: Tensor) -> Tile:
        """Attention weights α, as reported or passed in, and their logarithms."""
        weights = self.attention(heads, rows)
        return Tile(rows, slice(0, self.keys), weights, weights.clamp(min=torch.finfo(torch.float32).tiny).log())
