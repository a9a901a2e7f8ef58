"""The kinds of edits. Layers, heads and positions count from 0; you can omit `stack` if the model has only one.

Edits act in the order of the computation: q, k and v (`ScaleNeuron`), scores (`CutEdge`), weights (`SetAttention`,
`PatchHead` of attention), head outputs (`ScaleHead`, `MeanHead`, `ResampleHead`, `PatchHead` of output), residual stream
(`AddVector`). Edits of the same stage act in the order of the list. The equations are in docs/explanation/edits-maths.md.

`query`, `key` and `position` are an index, a word of the text (`"nurse"`), one of its occurrences (`("the", 2)`, counted from 1)
or a span of indices (`[4, 5]`, `range(4, 6)`). A word of several tokens is the span of them. Words are looked up when a model
runs a text, among the queries or the keys of the edit's stack; in generation, in the prompt. The trace records the indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from attnscope.edits.edit import Edit, whole
from attnscope.edits.reference import TraceRef, numbers_of, reference_of
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.positions import Position, is_word

Vector = Literal["q", "k", "v"]
Part = Literal["attention", "output"]
Side = Literal["input", "output"]


@dataclass(frozen=True, eq=False, repr=False)
class ScaleHead(Edit):
    """Multiply the head's output (Σ_j α_ij v_j, before W_O) by `factor`, for every query; 0 ablates it (Michel et al. 2019)."""

    head: int
    factor: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("factor")


@dataclass(frozen=True, eq=False, repr=False)
class MeanHead(Edit):
    """Replace the head's output, for every query, with its mean over a reference (mean ablation).

    `reference` is a trace or a list of traces (the mean is over all their queries), or an array of outputs, [v_dim] or
    [sample, v_dim].
    """

    head: int
    reference: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("reference", reference_of(self.reference, "`reference` of MeanHead"))


@dataclass(frozen=True, eq=False, repr=False)
class ResampleHead(Edit):
    """Replace the head's output, at every query, with its output at a random query of a reference (resample ablation).

    `reference` is as for `MeanHead`. Samples are drawn uniformly; the draw depends only on `seed` and the position.
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
    """After the softmax: set the weight of `key` for `query` to `weight` and scale the rest of the row to 1 - `weight`.

    A learned sink counts as part of the rest. If the rest is 0, there is nothing to scale, and the row sums to `weight`.

    With spans, each query of the span gets `weight` on all keys of the span together. It is divided among them in proportion to
    their weights before the edit, equally if these are all 0; keys that are masked for the query get nothing.
    """

    head: int
    query: Position
    key: Position
    weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._position("query", "key")
        if not 0 <= self._number("weight") <= 1:
            raise InputError(f"`weight` of SetAttention must be between 0 and 1; got {self.weight!r:.80}.")


@dataclass(frozen=True, eq=False, repr=False)
class CutEdge(Edit):
    """Before the softmax: set the score of `key` for `query` to -inf. A row without any key left becomes zeros ("no keys").

    With spans, every query of the span is cut off from every key of the span.
    """

    head: int
    query: Position
    key: Position

    def __post_init__(self) -> None:
        super().__post_init__()
        self._position("query", "key")


@dataclass(frozen=True, eq=False, repr=False)
class ScaleNeuron(Edit):
    """Multiply dimensions of the head's query, key or value vectors (after rotary embedding) by `factor`.

    `position` is a token, a span or None for every position: of the queries, or for k and v of the keys. `dims` is one dimension
    or several. Under RoPE, a neuron is a pair of dimensions: name both. In grouped-query attention, heads share keys and values:
    an edit of `k` or `v` acts on every head of the group, and the trace's warnings name them.
    """

    head: int
    dims: Any
    factor: float
    vector: Vector = "q"
    position: Position | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.position is not None:
            self._position("position")
        single = isinstance(self.dims, (int, str, bytes)) or getattr(self.dims, "shape", None) == ()
        iterable: Any = [self.dims] if single else self.dims
        given = list(iterable) if hasattr(iterable, "__iter__") else []
        dims = sorted({whole(dim, "A dimension in `dims` of ScaleNeuron") for dim in given})
        if not dims:
            raise InputError(f"`dims` of ScaleNeuron must be a dimension or a list of them; got {self.dims!r:.80}.")
        self._set("dims", tuple(dims))
        self._number("factor")
        self._one_of("vector", "q", "k", "v")


@dataclass(frozen=True, eq=False, repr=False)
class PatchHead(Edit):
    """Activation patching: replace the head's attention weights, or its output, with those of another forward pass.

    `source` is a trace with the same number of tokens (its same layer and head are used), or an array: weights [query, key] or
    outputs [query, v_dim].

    `position` limits the patch to a query or a span of queries. Outputs may then come from a source of another length:
    `source_position` names their queries there, as many as `position` has or one for all of them. By default they are those with
    the same words or indices. Attention weights always need a source with the same keys.
    """

    head: int
    source: Any
    what: Part = "attention"
    position: Position | None = None
    source_position: Position | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        found = reference_of(self.source, "`source` of PatchHead")
        if isinstance(found, tuple) and not isinstance(found[0], tuple):
            raise InputError("`source` of PatchHead must be one trace or an array; got a list of traces.")
        self._set("source", found)
        self._one_of("what", "attention", "output")
        if self.position is not None:
            self._position("position")
        if self.source_position is not None:
            self._position("source_position")
            if self.position is None:
                raise InputError("`source_position` of PatchHead needs `position`: the queries to patch.")
            if is_word(self.source_position) and not isinstance(found, (Trace, TraceRef)):
                raise InputError("`source_position` of PatchHead is a word, but an array has no words: pass an index.")

    @property
    def rows(self) -> dict[int, int] | None:
        """The query of the source for each patched query, once words are indices; None if every query is patched.

        Raises `InputError` if the source has another number of queries than are patched.
        """
        if self.position is None:
            return None
        targets, sources = (
            (one,) if isinstance(one, int) else tuple(cast("Sequence[int]", one))
            for one in (self.position, self.position if self.source_position is None else self.source_position)
        )
        if len(sources) not in (1, len(targets)):
            raise InputError(
                f"PatchHead of {self.place} patches {len(targets)} queries from {len(sources)} queries of its source. Name as "
                "many in `source_position` as in `position`, or one."
            )
        return dict(zip(targets, sources if len(sources) > 1 else sources * len(targets), strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class AddVector(Edit):
    """Add a vector [model_dim] to the residual stream at the output (or `at="input"`) of the layer's block.

    `position` is a token, a span (the vector is added at each of its tokens) or None for every position. The output of block i
    is the input of block i + 1.
    """

    position: Position | None
    vector: Any
    at: Side = "output"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.position is not None:
            self._position("position")
        rows = numbers_of(self.vector, "`vector` of AddVector")
        if len(rows) != 1:
            raise InputError(f"`vector` of AddVector must be one vector; got {len(rows)} rows of numbers.")
        self._set("vector", rows[0])
        self._one_of("at", "input", "output")


KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind
    for kind in (ScaleHead, MeanHead, ResampleHead, SetAttention, CutEdge, ScaleNeuron, PatchHead, AddVector)
}
"""All kinds of edits, by the `type` of their JSON object."""
