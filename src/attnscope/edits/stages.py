"""The operations of a plan in one layer, one dataclass per kind of operation.

Each has the `row` of the batch that it applies to (None: all rows). Query and key positions are absolute: in generation they
count from the first token of the text, not from the first of the decoding step.
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
    """Multiply dimensions of a head's q, k or v by a factor. For k and v, `head` is a key/value head.

    `positions` are those of the queries, or for k and v of the keys; None means all.
    """

    row: int | None
    vector: Literal["q", "k", "v"]
    head: int
    dims: Int[Tensor, "dims"]
    factor: float
    positions: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Cut:
    """Set the scores of some keys of one query to -inf."""

    row: int | None
    head: int
    query: int
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Set:
    """Set the weight of some keys together, for one query, and rescale the rest of its row."""

    row: int | None
    head: int
    query: int
    keys: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class PatchedRows:
    """Replace the first `queries` rows of a head's weights over `keys` keys; `weights` returns the rows at given positions.

    `whole` is set if the length of the input was unknown when the edit was planned: a forward pass that starts at the first
    token must then have exactly `queries` queries. `only` limits the patch to some of the rows.
    """

    row: int | None
    head: int
    weights: Callable[[Tensor], Tensor]
    queries: int
    keys: int
    whole: bool = True
    only: frozenset[int] | None = None


@dataclass(frozen=True)
class Scaled:
    """Multiply a head's output by a factor."""

    row: int | None
    head: int
    factor: float


@dataclass(frozen=True)
class Mean:
    """Replace a head's output by one vector at every query."""

    row: int | None
    head: int
    value: Float[Tensor, "v_dim"]

    def at(self, before: int, queries: int) -> Float[Tensor, "query v_dim"]:  # noqa: ARG002 - the same at every position
        """The outputs at `queries` positions from `before`."""
        return self.value.expand(queries, -1)


@dataclass(frozen=True)
class Resampled:
    """Replace a head's output at each query by one of the samples, chosen by the seed and the position alone."""

    row: int | None
    head: int
    samples: Float[Tensor, "sample v_dim"]
    seed: int

    def at(self, before: int, queries: int) -> Float[Tensor, "query v_dim"]:
        """The outputs at `queries` positions from `before`."""
        random = Random(self.seed)  # noqa: S311 - not for secrets
        chosen = [random.randrange(len(self.samples)) for _ in range(before + queries)]
        return self.samples[torch.tensor(chosen[before:], dtype=torch.long)]


@dataclass(frozen=True)
class Patched:
    """Replace a head's outputs at the first `len(outputs)` positions, or at the positions `only`, one for each output.

    `whole` is as for `PatchedRows`.
    """

    row: int | None
    head: int
    outputs: Float[Tensor, "position v_dim"]
    whole: bool = True
    only: tuple[int, ...] | None = None

    def at(self, before: int, queries: int) -> Float[Tensor, "some v_dim"]:
        """The outputs at `queries` positions from `before`; fewer if the source ends before, or has only some."""
        if self.only is None:
            return self.outputs[before : before + queries]
        return self.outputs[[index for index, at in enumerate(self.only) if before <= at < before + queries]]

    def places(self, before: int, queries: int) -> list[int]:
        """The indices among `queries` positions from `before` that the outputs of `at` belong to."""
        at = range(len(self.outputs)) if self.only is None else self.only
        return [one - before for one in at if before <= one < before + queries]


@dataclass(frozen=True)
class Vector:
    """Add a vector to the residual stream."""

    row: int | None
    position: int | None
    value: Float[Tensor, "model_dim"]
    at: Literal["input", "output"]


@dataclass(frozen=True)
class LayerPlan:
    """The operations in one layer by stage; within a stage, in the order of the list of edits."""

    neurons: tuple[Neurons, ...]
    weights: tuple[Cut | Set | PatchedRows, ...]
    outputs: tuple[Scaled | Mean | Resampled | Patched, ...]
    vectors: tuple[Vector, ...]
