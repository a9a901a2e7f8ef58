"""What is added to the scores before the mask: T5's relative positions, ALiBi, or anything a model chose to add.

A bias that depends only on the distance between key and query (T5) is one number a head and distance; one that depends
only on the key (Bloom's form of ALiBi) is one number a head and key. Both forms are verified before they are used.
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

    `values` is [heads, queries + keys - 1] for `relative` (entry `j - i + queries - 1` is for query i and key j),
    [heads, keys] for `key`, [heads, queries, keys] for `dense`. A leading size of 1 stands for all heads.
    """

    kind: BiasKind
    values: Tensor
    queries: int
    keys: int

    @property
    def nbytes(self) -> int:
        """Bytes that the description holds."""
        return self.values.numel() * self.values.element_size()

    @classmethod
    def fit(cls, values: Float[Tensor, "heads queries keys"]) -> Bias | None:
        """The smallest exact description of `values`; None where all are zero."""
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
        """The bias of the queries `rows` (indices)."""
        if self.kind == "dense":
            return self.values[:, rows]
        if self.kind == "key":
            return self.values[:, None, :].expand(-1, len(rows), -1)
        entry = torch.arange(self.keys) - rows[:, None] + self.queries - 1
        return self.values[:, entry]
