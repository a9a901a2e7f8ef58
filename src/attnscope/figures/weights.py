"""Which weights a figure draws, how much weight it drops, and how dark a weight is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attnscope.appearance.palette import DECADES
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.types import Token

Scale = Literal["linear", "root", "log"]
Filter = Literal["AA", "AB", "BA", "BB"]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Rules:
    """What is drawn: the sentence `filter`, `hide_sinks`, weights of at least `threshold`, and the `top` keys of each row."""

    filter: Filter | None = None
    hide_sinks: bool | Literal["renormalized"] = False
    threshold: float = 0.0
    top: int | None = None

    def __post_init__(self) -> None:
        if self.filter not in (None, "AA", "AB", "BA", "BB"):
            raise InputError(f"`filter` must be 'AA', 'AB', 'BA', 'BB' or None; got {self.filter!r:.80}.")
        if self.hide_sinks not in (False, True, "renormalized"):
            raise InputError(f"`hide_sinks` must be False, True or 'renormalized'; got {self.hide_sinks!r:.80}.")
        if not isinstance(self.threshold, (int, float)) or not 0 <= self.threshold <= 1:
            raise InputError(f"`threshold` must be a weight between 0 and 1; got {self.threshold!r:.80}.")
        if self.top is not None and (isinstance(self.top, bool) or not isinstance(self.top, int) or self.top < 1):
            raise InputError(f"`top`, the number of keys drawn in each row, must be 1 or more; got {self.top!r:.80}.")


@dataclass
class DroppedWeight:
    """The weight that each rule dropped, and the total weight of the rows shown."""

    total: float = 0.0
    by: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, rule: str, weight: float) -> None:
        """Record weight that a rule dropped."""
        self.by[rule] = self.by.get(rule, 0.0) + weight

    def share(self, rule: str) -> str:
        """Return the share of the total weight that a rule dropped, as a percentage."""
        part = self.by.get(rule, 0.0) / self.total if self.total else 0.0
        return "less than 0.1%" if 0 < part < 0.001 else f"{100 * part:.1f}%"


class Picker:
    """Reads the weights of heads layer by layer, applies the rules, and records how much weight they drop."""

    subject = "attention"
    """What is drawn, in sentences."""

    def __init__(self, trace: Trace, stack: str | None, rules: Rules) -> None:
        self._trace, self._stack, self._rules = trace, stack, rules
        queries, keys = trace.tokens_for(stack)
        causal = trace.traced_stack(stack).causal
        self.queries = _of_sentence(queries, rules.filter[0] if rules.filter else None)
        self.keys = _of_sentence(keys, rules.filter[1] if rules.filter else None)
        self.sinks = np.array([token.special or (causal and at == 0) for at, token in enumerate(keys)], dtype=bool)
        self.sink_name = "special tokens"
        if causal:
            self.sink_name = "first and special tokens" if self.sinks[1:].any() else "first token"
        self.dropped = DroppedWeight()

    def tiles(self, layer: int, heads: Sequence[int]) -> Iterator[tuple[slice, Array]]:
        """Yield all rows of some heads, a few at a time, as (rows, weights [head, row, key]); dropped weights are 0."""
        record = self._trace.layer_record(layer, self._stack)
        for rows in torch.arange(record.queries).split(ROWS_AT_ONCE):
            yield slice(int(rows[0]), int(rows[-1]) + 1), self.rows(layer, heads, rows)

    def rows(self, layer: int, heads: Sequence[int], rows: Tensor) -> Array:
        """Return some rows of some heads, [head, row, key]; dropped weights are 0."""
        record = self._trace.layer_record(layer, self._stack)
        weights = record.attention(torch.tensor(list(heads)), rows).numpy().copy()
        return self._limited(self._chosen(weights, self.queries[rows.numpy()]))

    def whole(self, layer: int, heads: Sequence[int]) -> Array:
        """Return all weights of some heads, [head, query, key]."""
        return np.concatenate([weights for _, weights in self.tiles(layer, heads)], axis=1)

    def sentences(self) -> list[str]:
        """Return a sentence on what each rule dropped. The shares are complete once all weights have been read."""
        rules, found = self._rules, []
        if rules.filter is not None:
            query, key = rules.filter
            elsewhere = self.dropped.share("filter")
            found.append(
                f"Only attention {query} → {key} is drawn; {elsewhere} of the attention from {query} goes elsewhere."
            )
        if rules.hide_sinks:
            then = "; the other weights are renormalized" if rules.hide_sinks == "renormalized" else ""
            share = self.dropped.share("sinks")
            found.append(f"Attention to the {self.sink_name} is hidden ({share} of the attention){then}.")
        return [*found, *self._limits()]

    def _limits(self) -> list[str]:
        """Return sentences on the small weights that were dropped."""
        rules, found, of = self._rules, list[str](), f"of the {self.subject}"
        what = "Weights" if self.subject == "attention" else "Differences"
        if rules.threshold > 0:
            share = self.dropped.share("threshold")
            found.append(f"{what} below {rules.threshold:g} are not drawn ({share} {of}).")
        if rules.top is not None:
            share = self.dropped.share("top")
            found.append(
                f"Only the {rules.top} largest {what.lower()} of each row are drawn; the others hold {share} {of}."
            )
        return found

    def _chosen(self, weights: Array, queries: NDArray[np.bool_]) -> Array:
        """The weights of the sentences that are drawn, without hidden sinks."""
        weights[:, ~queries] = 0
        self.dropped.total += float(weights.sum())
        weights = self._without("filter", weights, ~self.keys)
        if self._rules.hide_sinks:
            weights = self._without("sinks", weights, self.sinks)
            if self._rules.hide_sinks == "renormalized":
                sums = weights.sum(-1, keepdims=True)
                weights = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
        return weights

    def _limited(self, weights: Array) -> Array:
        """The weights, or differences, that are large enough."""
        sizes = np.abs(weights)
        if self._rules.threshold > 0:
            weights = self._without("threshold", weights, sizes < self._rules.threshold)
        if self._rules.top is not None and self._rules.top < weights.shape[-1]:
            order = np.argsort(-np.abs(weights), axis=-1, kind="stable")[..., self._rules.top :]
            beyond = np.zeros(weights.shape, dtype=bool)
            np.put_along_axis(beyond, order, values=True, axis=-1)
            weights = self._without("top", weights, beyond)
        return weights

    def _without(self, rule: str, weights: Array, dropped: NDArray[np.bool_]) -> Array:
        kept = np.where(dropped, np.float32(0), weights)
        self.dropped.add(rule, float(np.abs(weights).sum() - np.abs(kept).sum()))
        return kept


def strongest(values: Array, by: int) -> Array:
    """Return of every `by` values along the last axis the one of largest size."""
    starts = np.arange(0, values.shape[-1], by)
    highest, lowest = np.maximum.reduceat(values, starts, axis=-1), np.minimum.reduceat(values, starts, axis=-1)
    return np.where(highest >= -lowest, highest, lowest)


def stronger(one: Array, other: Array) -> Array:
    """Return the values of larger size, one by one."""
    return np.where(np.abs(one) >= np.abs(other), one, other)


def _of_sentence(tokens: Sequence[Token], sentence: str | None) -> NDArray[np.bool_]:
    if sentence is None:
        return np.ones(len(tokens), dtype=bool)
    found = np.array([token.sentence == sentence for token in tokens], dtype=bool)
    if not found.any():
        raise InputError("`filter` needs a pair of sentences, but this input is a single text.")
    return found


def darkness(weights: Any, scale: Scale) -> Array:
    """Return how dark weights are drawn, from 0 to 1: linear, square root, or logarithmic over three decades."""
    clipped = np.clip(np.asarray(weights, dtype=np.float32), 0, 1)
    if scale == "linear":
        return clipped
    if scale == "root":
        return np.sqrt(clipped)
    with np.errstate(divide="ignore"):
        return np.clip(1 + np.log10(clipped) / DECADES, 0, 1).astype(np.float32)


SCALE_DESCRIPTIONS = {
    "linear": "linear (darkness = weight)",
    "root": "square root (darkness = √weight)",
    "log": f"logarithmic ({DECADES} decades)",
}
