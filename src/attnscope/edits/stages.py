"""What a plan does in one layer, as plain values: one class for each thing that can be done.

Every one has the `row` of the batch that it is for (None: all). Query and key positions are absolute: in generation they
count from the first token of the text, not of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Neurons:
    """Dimensions of one vector of a head (for k and v: of a key/value head) times a factor."""

    row: int | None
    vector: Literal["q", "k", "v"]
    head: int
    dims: Int[Tensor, "dims"]
    factor: float


@dataclass(frozen=True)
class Cut:
    """Scores of -inf for some keys of one query."""

    row: int | None
    head: int
    query: int
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Set:
    """The weight of some keys together for one query, and the rest of its row scaled."""

    row: int | None
    head: int
    query: int
    keys: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class PatchedRows:
    """The first `queries` rows of a head's weights, of `keys` keys, from elsewhere: `weights` gives rows of them.

    Where the input was not known beforehand, a pass from its first token on must have just as many queries (`whole`).
    """

    row: int | None
    head: int
    weights: Callable[[Tensor], Tensor]
    queries: int
    keys: int
    whole: bool = True


@dataclass(frozen=True)
class Scaled:
    """A head's output times a factor."""

    row: int | None
    head: int
    factor: float


@dataclass(frozen=True)
class Mean:
    """One vector as a head's output at every query."""

    row: int | None
    head: int
    value: Float[Tensor, "v_dim"]

    def at(self, before: int, queries: int) -> Float[Tensor, "query v_dim"]:  # noqa: ARG002 - the same at all
        """The outputs at the positions from `before`."""
        return self.value.expand(queries, -1)


@dataclass(frozen=True)
class Resampled:
    """One of the samples as a head's output at each query; which one depends on the seed and the position alone."""

    row: int | None
    head: int
    samples: Float[Tensor, "sample v_dim"]
    seed: int

    def at(self, before: int, queries: int) -> Float[Tensor, "query v_dim"]:
        """The outputs at the positions from `before`."""
        drawn = Random(self.seed)  # noqa: S311 - no secret
        chosen = [drawn.randrange(len(self.samples)) for _ in range(before + queries)]
        return self.samples[torch.tensor(chosen[before:], dtype=torch.long)]


@dataclass(frozen=True)
class Patched:
    """Outputs of a head from elsewhere, for as many positions as there are; `whole` is as for `PatchedRows`."""

    row: int | None
    head: int
    outputs: Float[Tensor, "position v_dim"]
    whole: bool = True

    def at(self, before: int, queries: int) -> Float[Tensor, "some v_dim"]:
        """The outputs at the positions from `before`; fewer than `queries` where the source ends."""
        return self.outputs[before : before + queries]


@dataclass(frozen=True)
class Vector:
    """A vector added to the residual stream."""

    row: int | None
    position: int | None
    value: Float[Tensor, "model_dim"]
    at: Literal["input", "output"]


@dataclass(frozen=True)
class LayerPlan:
    """What is done in one layer, stage by stage; within a stage in the order of the list of edits."""

    neurons: tuple[Neurons, ...]
    weights: tuple[Cut | Set | PatchedRows, ...]
    outputs: tuple[Scaled | Mean | Resampled | Patched, ...]
    vectors: tuple[Vector, ...]
