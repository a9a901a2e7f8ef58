"""The kinds of edits. Layers, heads and positions count from 0; `stack` may be left out where the model has only one.

Edits act in the order of the computation: q, k and v (`ScaleNeuron`), scores (`CutEdge`), weights (`SetAttention`,
`PatchHead` of attention), head outputs (`ScaleHead`, `MeanHead`, `ResampleHead`, `PatchHead` of output), residual stream
(`AddVector`); within one of these, in the order of the list. The equations are in docs/explanation/edits-maths.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from attnscope.edits.edit import Edit, whole
from attnscope.edits.reference import numbers_of, reference_of
from attnscope.errors import InputError

Vector = Literal["q", "k", "v"]
Part = Literal["attention", "output"]
Side = Literal["input", "output"]


@dataclass(frozen=True, eq=False, repr=False)
class ScaleHead(Edit):
    """The head's output (Σ_j α_ij v_j, before W_O) times `factor`, for every query; 0 ablates the head (Michel et al. 2019)."""

    head: int
    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("factor")


@dataclass(frozen=True, eq=False, repr=False)
class MeanHead(Edit):
    """The head's output replaced, for every query, by its mean over a reference (mean ablation).

    `reference` is a trace or a list of traces (the mean over all their queries), or an array [v_dim] or [sample, v_dim] of
    outputs.
    """

    head: int
    reference: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("reference", reference_of(self.reference, "`reference` of MeanHead"))


@dataclass(frozen=True, eq=False, repr=False)
class ResampleHead(Edit):
    """The head's output replaced, at every query, by its output at some query of a reference (resampled ablation).

    `reference` is as for `MeanHead`. Which sample a position gets depends on `seed` and the position alone; all have the same
    chance.
    """

    head: int
    reference: Any
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("seed")
        self._set("reference", reference_of(self.reference, "`reference` of ResampleHead"))


@dataclass(frozen=True, eq=False, repr=False)
class SetAttention(Edit):
    """After the softmax: the weight of `key` for `query` becomes `weight`, the rest of the row is scaled to 1 - `weight`.

    A learned sink is part of that rest. Where the rest of the row is 0 there is nothing to scale, and the row sums to `weight`.
    """

    head: int
    query: int
    key: int
    weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("query", "key")
        if not 0 <= self._number("weight") <= 1:
            raise InputError(f"`weight` of SetAttention lies between 0 and 1; got {self.weight!r}.")


@dataclass(frozen=True, eq=False, repr=False)
class CutEdge(Edit):
    """Before the softmax: the score of `key` for `query` becomes -inf. A row with nothing left becomes zeros ("no keys")."""

    head: int
    query: int
    key: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("query", "key")


@dataclass(frozen=True, eq=False, repr=False)
class ScaleNeuron(Edit):
    """Dimensions of the head's query, key or value vectors (after rotary embedding) times `factor`, at every position.

    `dims` is one dimension or several. Under RoPE a neuron is a pair of dimensions: name both. With grouped-query attention
    keys and values are shared: an edit of `k` or `v` acts on every head of the group, and the trace's warnings name them.
    """

    head: int
    dims: Any
    factor: float
    vector: Vector = "q"

    def __post_init__(self) -> None:
        super().__post_init__()
        single = isinstance(self.dims, (int, str, bytes)) or getattr(self.dims, "shape", None) == ()
        iterable: Any = [self.dims] if single else self.dims
        given = list(iterable) if hasattr(iterable, "__iter__") else []
        dims = sorted({whole(dim, "A dimension in `dims` of ScaleNeuron") for dim in given})
        if not dims:
            raise InputError(f"`dims` of ScaleNeuron is a dimension or a list of them; got {self.dims!r}.")
        self._set("dims", tuple(dims))
        self._number("factor")
        self._one_of("vector", "q", "k", "v")


@dataclass(frozen=True, eq=False, repr=False)
class PatchHead(Edit):
    """Activation patching: the head's attention weights, or its output, taken from another pass.

    `source` is a trace of as many tokens (the same layer and head of it), or an array: [query, key] weights, or [query, v_dim]
    outputs.
    """

    head: int
    source: Any
    what: Part = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        found = reference_of(self.source, "`source` of PatchHead")
        if isinstance(found, tuple) and not isinstance(found[0], tuple):
            raise InputError("`source` of PatchHead is one trace or an array; got a list of traces.")
        self._set("source", found)
        self._one_of("what", "attention", "output")


@dataclass(frozen=True, eq=False, repr=False)
class AddVector(Edit):
    """A vector [model_dim] added to the residual stream at the output (or `at="input"`) of the layer's block.

    `position` is one token's, or None for every position. The output of block i is what block i + 1 reads.
    """

    position: int | None
    vector: Any
    at: Side = "output"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.position is not None:
            self._whole("position")
        rows = numbers_of(self.vector, "`vector` of AddVector")
        if len(rows) != 1:
            raise InputError(f"`vector` of AddVector is one vector; got {len(rows)} rows of numbers.")
        self._set("vector", rows[0])
        self._one_of("at", "input", "output")


KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind
    for kind in (ScaleHead, MeanHead, ResampleHead, SetAttention, CutEdge, ScaleNeuron, PatchHead, AddVector)
}
"""Every kind of edit, by the `type` of its JSON object."""
