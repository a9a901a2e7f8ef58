"""The effect of edits on a layer's attention after q, k and v: cut edges, replaced rows, changed head outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor
from torch.nn.functional import pad

_HEAD = 1 << 40
"""Encodes head and row in one number: head · `_HEAD` + row."""


@dataclass(frozen=True, eq=False)
class Overrides:
    """The exact effect of edits in one layer, stored only for the heads and rows that the edits touch.

    `cuts` lists edges (head, query, key) whose score was set to -inf. `rows_at` lists, in ascending order, the rows (head,
    query) whose weights were computed under edits, and `rows` holds those weights. `heads` lists heads whose output was changed
    after the weighted sum: for query i, the output of head `heads[r]` is `kept[r, i] · Σ_j α_ij v_j + outputs[r, i]`.
    """

    cuts: Int32[Tensor, "cuts 3"]
    rows_at: Int32[Tensor, "rows 2"]
    rows: Float[Tensor, "rows keys"]
    heads: Int32[Tensor, "changed"]
    kept: Float[Tensor, "changed queries"]
    outputs: Float[Tensor, "changed queries v_dim"]

    @property
    def parts(self) -> dict[str, Tensor]:
        """Every tensor, by name."""
        names = ("cuts", "rows_at", "rows", "heads", "kept", "outputs")
        return {name: getattr(self, name) for name in names}

    @property
    def nbytes(self) -> int:
        """Size of all tensors in bytes."""
        return sum(part.numel() * part.element_size() for part in self.parts.values())

    def found(self, heads: Tensor, rows: Tensor) -> tuple[Bool[Tensor, "heads rows"], Int[Tensor, "heads rows"]]:
        """Which of these heads' rows are stored here, and at which index of `rows`."""
        codes = heads[:, None].long() * _HEAD + rows.long()
        if not len(self._codes):
            return torch.zeros_like(codes, dtype=torch.bool), torch.zeros_like(codes)
        index = torch.searchsorted(self._codes, codes).clamp(max=len(self._codes) - 1)
        return self._codes[index] == codes, index

    def cut(self, scores: Tensor, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Set the scores of cut edges to -inf, in place, and return `scores`."""
        for head, query, key in self.cuts.tolist():
            scores[..., key].masked_fill_((heads == head)[:, None] & (rows == query), -torch.inf)
        return scores

    def replace(self, weights: Tensor, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """Replace the rows of weights that edits changed, in place, and return `weights`."""
        here, index = self.found(heads, rows)
        if bool(here.any()):
            weights[here] = self.rows[index[here]]
        return weights

    def change(self, outputs: Tensor, heads: Tensor, rows: Tensor) -> Float[Tensor, "heads rows v_dim"]:
        """Apply the changes to the heads' outputs (Σ_j α_ij v_j), in place, and return `outputs`."""
        for r, head in enumerate(self.heads.tolist()):
            for at in (heads == head).nonzero().flatten().tolist():
                outputs[at] = self.kept[r, rows, None] * outputs[at] + self.outputs[r, rows]
        return outputs

    def kept_of(self, head: int, queries: int) -> Float[Tensor, "queries"]:
        """The factor on Σ_j α_ij v_j of a head, by query: 1 where its output was not changed."""
        at = (self.heads == head).nonzero().flatten().tolist()
        return self.kept[at[0]] if at else torch.ones(queries)

    @cached_property
    def _codes(self) -> Tensor:
        return self.rows_at[:, 0].long() * _HEAD + self.rows_at[:, 1].long()


def joined(parts: Sequence[Overrides | None], queries: Sequence[int], v_dim: int) -> Overrides | None:
    """Merge the overrides of consecutive passes into those of one. Part p covers the next `queries[p]` queries.

    Key 0 is the first key of the first part; shorter rows are padded with zeros.
    """
    present = [part for part in parts if part is not None]
    if not present:
        return None
    keys = max(part.rows.shape[1] for part in present)
    starts = [sum(queries[:p]) for p in range(len(parts))]
    cuts, at, rows = [], [], []
    changed = sorted({head for part in present for head in part.heads.tolist()})
    kept = torch.ones(len(changed), sum(queries))
    outputs = torch.zeros(len(changed), sum(queries), v_dim)
    for part, start, count in zip(parts, starts, queries, strict=True):
        if part is None:
            continue
        shift = torch.tensor([0, start], dtype=torch.int32)
        cuts.append(part.cuts + pad(shift, (0, 1)))
        at.append(part.rows_at + shift)
        rows.append(pad(part.rows, (0, keys - part.rows.shape[1])))
        for r, head in enumerate(part.heads.tolist()):
            kept[changed.index(head), start : start + count] = part.kept[r]
            outputs[changed.index(head), start : start + count] = part.outputs[r]
    places = torch.cat(at)
    order = torch.argsort(places[:, 0].long() * _HEAD + places[:, 1].long())
    changed_heads = torch.tensor(changed, dtype=torch.int32)
    return Overrides(torch.cat(cuts), places[order], torch.cat(rows)[order], changed_heads, kept, outputs)
