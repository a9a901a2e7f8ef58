"""Signed thumbnails of the difference between two passes, filled tile by tile: the largest |difference| of each cell.

A cell is stored as a signed byte, sign · round(127·√|d|), and is 0 where tokens don't correspond.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor

from attnscope.analysis.thumbnails import Thumbnails
from attnscope.analysis.token_groups import Part
from attnscope.attention import LayerRecord, QKRecord
from attnscope.attention.record import Tile
from attnscope.trace.correspondence import Correspondence


@dataclass(frozen=True, eq=False)
class LayerDifference:
    """The difference of one layer.

    Attributes:
        thumbnails: sign · round(127·√|d|) of the largest |d| of each cell; None if the layer is unchanged.
        largest: The largest |d| in the layer, whatever part the thumbnails show.
    """

    thumbnails: Int8[Tensor, "heads rows columns"] | None
    largest: float

    @property
    def unchanged(self) -> bool:
        """Whether every weight of the layer equals that of the baseline."""
        return self.thumbnails is None


class DifferenceThumbnails:
    """The signed thumbnails of one layer. `equal` tells in advance that the layer's attention is that of the baseline."""

    def __init__(self, found: Correspondence, layer: int, stack: str | None, part: Part, size: int) -> None:
        record = found.trace.layer_record(layer, stack)
        self._heads = found.heads(layer, stack)
        self._other = found.record(layer, stack) if self._heads else None
        self._queries, self._keys = found.tokens(layer, stack)
        self._whole = bool(self._other) and self._heads == record.shape.heads and self._complete
        self.equal = (
            self._whole and self._other is not None and self._same_tokens and same_attention(record, self._other)
        )
        self._raised = Thumbnails(record.shape.heads, part, size)
        self._lowered = Thumbnails(record.shape.heads, part, size)
        self._largest = 0.0

    @property
    def _complete(self) -> bool:
        """Whether every token of the layer has a counterpart."""
        return bool((self._queries >= 0).all()) and bool((self._keys >= 0).all())

    @property
    def _same_tokens(self) -> bool:
        """Whether every token has the counterpart with its own index, and the baseline has no others."""
        other = self._other
        if other is None or (other.queries, other.keys) != (len(self._queries), len(self._keys)):
            return False
        return _counted(self._queries) and _counted(self._keys)

    def add(self, heads: Int[Tensor, "some_heads"], tile: Tile) -> None:
        """Add consecutive rows of the current pass. `heads` are consecutive."""
        other = self._other
        some = heads[heads < self._heads]
        rows = self._queries[tile.rows]
        if other is None or not len(some) or bool((rows < 0).all()):
            return
        change, span = _change(tile, other.tile(some, rows[rows >= 0]), rows, self._keys)
        self._largest = max(self._largest, float(change.abs().max()) if change.numel() else 0.0)
        chosen = slice(int(some[0]), int(some[-1]) + 1)
        self._raised.add(chosen, int(tile.rows[0]), span, change)
        self._lowered.add(chosen, int(tile.rows[0]), span, -change)

    def result(self) -> LayerDifference:
        """The difference, after all rows were added."""
        if self.equal or (self._whole and self._largest == 0):
            return LayerDifference(None, 0.0)
        raised, lowered = self._raised.cells, self._lowered.cells
        largest = torch.where(raised >= lowered, raised, -lowered)
        return LayerDifference(
            (largest.sign() * largest.abs().clamp(max=1).sqrt() * 127).round().to(torch.int8), self._largest
        )


def same_attention(record: LayerRecord, other: LayerRecord) -> bool:
    """Whether two layers have the same attention weights because everything that they are computed from is equal.

    Weights may be equal though this returns False.
    """
    if not isinstance(record, QKRecord) or not isinstance(other, QKRecord):
        one, two = (getattr(each, "weights", None) for each in (record, other))
        return _equal(one, two) and one is not None
    if (record.scaling, record.softcap) != (other.scaling, other.softcap) or not record.mask.same(other.mask):
        return False
    biases = record.bias, other.bias
    same_bias = [None if one is None else one.kind for one in biases]
    if same_bias[0] != same_bias[1] or not _equal(*(None if one is None else one.values for one in biases)):
        return False
    pairs = ((record.q, other.q), (record.k, other.k), (record.sinks, other.sinks))
    return all(_equal(one, two) for one, two in pairs) and all(
        _equal(one, two) for one, two in zip(_overridden(record), _overridden(other), strict=True)
    )


def _overridden(record: QKRecord) -> tuple[Tensor | None, Tensor | None]:
    """The rows that edits changed: where they are, and their weights."""
    edited = record.edited
    return (None, None) if edited is None or not len(edited.rows_at) else (edited.rows_at, edited.rows)


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one.cpu(), other.cpu())


def _counted(indices: Int[Tensor, "tokens"]) -> bool:
    """Whether these count from 0, without gaps."""
    return torch.equal(indices, torch.arange(len(indices)))


def _change(
    tile: Tile, other: Tile, rows: Int[Tensor, "rows"], keys: Int[Tensor, "keys"]
) -> tuple[Float[Tensor, "heads rows span"], slice]:
    """The tile minus the rows of the baseline, over the keys of `span` that either of them covers; 0 where nothing corresponds.

    `rows` are the rows of the baseline for those of the tile, or -1; `other` has those that exist. `keys` are its keys, or -1.
    """
    inside = (keys >= other.span.start) & (keys < other.span.stop)
    reached = inside.nonzero()[:, 0]
    start, stop = tile.span.start, tile.span.stop
    if len(reached):
        start, stop = min(start, int(reached[0])), max(stop, int(reached[-1]) + 1)
    change = torch.zeros(other.weights.shape[0], len(rows), stop - start)
    change[..., tile.span.start - start : tile.span.stop - start] = tile.weights[: len(change)]
    at = keys[reached] - other.span.start
    both = (rows >= 0).nonzero()[:, 0]
    change[:, both[:, None], reached - start] -= other.weights[..., at]
    change[:, rows < 0] = 0
    change[..., keys[start:stop] < 0] = 0
    return change, slice(start, stop)
