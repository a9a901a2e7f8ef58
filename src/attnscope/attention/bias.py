"""Biases added to the attention scores before the mask: T5's relative positions, ALiBi, or any other additive term.

A bias that depends only on the distance between key and query (T5) needs one number per head and distance; one that depends
only on the key (Bloom's form of ALiBi) needs one number per head and key. `Bias.fit` uses either form only where it
reproduces the values exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

BiasKind = Literal["relative", "key", "dense"]


@dataclass(frozen=True, eq=False)
class Bias:
    """A bias over (head, query, key), float32.

    The shape of `values` depends on `kind`: [heads, queries + keys - 1] for `relative` (entry `j - i + queries - 1` belongs to
    query i and key j), [heads, keys] for `key`, [heads, queries, keys] for `dense`. A leading size of 1 means that all heads
    share the bias.
    """

    kind: BiasKind
    values: Tensor
    queries: int
    keys: int

    @property
    def nbytes(self) -> int:
        """Size of `values` in bytes."""
        return self.values.numel() * self.values.element_size()

    @classmethod
    def fit(cls, values: Float[Tensor, "heads queries keys"]) -> Bias | None:
        """Describe `values` exactly in the smallest form that fits; None if they are all zero."""
        values = values.detach().to(device="cpu", dtype=torch.float32)
        heads, queries, keys = values.shape
        if heads > 1 and all(torch.equal(values[0], other) for other in values[1:]):
            values = values[:1]
        if not values.any():
            return None
        if queries > 1 and all(torch.equal(values[:, 0], values[:, i]) for i in range(1, queries)):
            return cls("key", values[:, 0].clone(), queries, keys)
        if queries > 1 and torch.equal(values[:, :-1, :-1], values[:, 1:, 1:]):
            by_distance = torch.cat([values[:, 1:, 0].flip(1), values[:, 0]], dim=1)
            return cls("relative", by_distance.contiguous(), queries, keys)
        return cls("dense", values.clone(), queries, keys)

    def rows(self, rows: Tensor) -> Float[Tensor, "heads rows keys"]:
        """The bias of the queries with the indices `rows`."""
        if self.kind == "dense":
            return self.values[:, rows]
        if self.kind == "key":
            return self.values[:, None, :].expand(-1, len(rows), -1)
        entry = torch.arange(self.keys) - rows[:, None] + self.queries - 1
        return self.values[:, entry]
