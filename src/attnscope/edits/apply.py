"""Apply the stages of a plan to the tensors of one layer.

Shapes are those of transformers: q, k and v [batch, head, position, dim], outputs [batch, query, head, dim]. Input tensors are
never modified; a tensor is copied before it is changed, and only if it is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.attention import Overrides, QKRecord
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.edits.stages import Cut, LayerPlan, Neurons, Patched, PatchedRows, Scaled, Set, Vector
from attnscope.errors import InputError
from attnscope.trace.positions import span_words


@dataclass(frozen=True)
class Scores:
    """Rows of scores [row, key] of one head with everything applied (-inf where masked), and the head's learned sink."""

    scores: Tensor
    sink: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """The softmax of the scores; 0 in rows where no key is left."""
        scores = (
            self.scores if self.sink is None else torch.cat([self.scores, self.sink.expand(len(self.scores), 1)], dim=1)
        )
        return torch.softmax(scores, dim=-1).nan_to_num(0.0)[:, : self.scores.shape[1]]


ScoresOf = Callable[[int, int, Tensor], Scores]
"""Computes scores from a batch row, a head and query indices within the call."""


OwnRecord = Callable[[int], QKRecord | None]
"""Returns the record of a batch row as it is without the edits of weights and outputs."""


@dataclass
class Outcome:
    """The effect of one layer's edits on one row of the batch, in the form that a record keeps, and notes for the user."""

    cuts: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    rows: dict[tuple[int, int], Tensor] = field(default_factory=dict[tuple[int, int], Tensor])
    kept: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    outputs: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    notes: list[str] = field(default_factory=list[str])

    def edited(self, queries: int, keys: int, v_dim: int) -> Overrides | None:
        """The effect as `Overrides`; None if neither weights nor outputs were changed."""
        if not self.rows and not self.outputs:
            return None
        places, heads = sorted(self.rows), sorted(self.outputs)
        return Overrides(
            cuts=torch.tensor(sorted(set(self.cuts)), dtype=torch.int32).reshape(-1, 3),
            rows_at=torch.tensor(places, dtype=torch.int32).reshape(-1, 2),
            rows=torch.stack([self.rows[place] for place in places]) if places else torch.zeros(0, keys),
            heads=torch.tensor(heads, dtype=torch.int32),
            kept=torch.stack([self.kept[head] for head in heads]) if heads else torch.ones(0, queries),
            outputs=torch.stack([self.outputs[head] for head in heads]) if heads else torch.zeros(0, queries, v_dim),
        )


@dataclass(frozen=True)
class Layer:
    """A layer's plan, and the positions of one call: query i is position `before + i`, key j is position `first_key + j`."""

    plan: LayerPlan
    before: int = 0
    first_key: int = 0
    name: str = ""

    def scaled(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scale dimensions of q, k and v."""
        vectors = {"q": query, "k": key, "v": value}
        for which in {one.vector for one in self.plan.neurons}:
            changed = vectors[which].clone()
            for one in self.plan.neurons:
                if one.vector == which:
                    part = changed[_rows(one.row), one.head]
                    part[self._places(one, part)] *= one.factor
            vectors[which] = changed
        return vectors["q"], vectors["k"], vectors["v"]

    def _places(self, one: Neurons, part: Tensor) -> tuple[Any, ...]:
        """The index of the scaled numbers in vectors [row, position, dim]."""
        dims = one.dims.to(part.device)
        if one.positions is None:
            return (..., dims)
        first = self.before if one.vector == "q" else self.first_key
        here = [at - first for at in one.positions if 0 <= at - first < part.shape[1]]
        return (slice(None), torch.tensor(here, dtype=torch.long, device=part.device)[:, None], dims[None])

    def reweighted(self, output: Tensor, value: Tensor, scores: ScoresOf, own: OwnRecord, outcome: Outcome) -> Tensor:
        """Recompute the output rows whose weights are edited. `outcome` records the effect on the first row of the batch.

        Patched weights that equal the head's own leave its output unchanged, bit for bit.
        """
        if not self.plan.weights:
            return output
        output = output.clone()
        group = output.shape[2] // value.shape[1]
        for row, head in self._touched(output.shape[0]):
            edits = [one for one in self.plan.weights if one.head == head and one.row in (None, row)]
            values = value[row, head // group]
            exact = values.to(torch.promote_types(values.dtype, torch.float32))
            for at in self._queries(edits, output.shape[1]).split(ROWS_AT_ONCE):
                weights = self._weights(
                    edits, at, lambda rows, b=row, h=head: scores(b, h, rows), value.shape[2], outcome, head
                )
                found = (weights.to(exact) @ exact).to(output.dtype)
                there = at.to(output.device)
                if not self._equals_own_weights(
                    edits, own, (row, head), at, weights, near=_near(found, output[row, there, head])
                ):
                    output[row, there, head] = found
                if row == 0:
                    kept = weights.detach().float().cpu()
                    outcome.rows.update({(head, int(query)): kept[i] for i, query in enumerate(at)})
            if row == 0 and any(isinstance(one, PatchedRows) for one in edits):
                self._note_masked(own(row), head, outcome)
        return output

    def replaced(self, output: Tensor, own: OwnRecord, outcome: Outcome) -> Tensor:
        """Scale or replace the heads' outputs. A patched output that equals the head's own leaves it unchanged, bit for bit."""
        if not self.plan.outputs:
            return output
        output = output.clone()
        queries = output.shape[1]
        changed = {(one.head, one.row) for one in self.plan.weights}
        for one in self.plan.outputs:
            part = output[_rows(one.row), :, one.head]
            first = one.row in (None, 0)
            if first and one.head not in outcome.kept:
                outcome.kept[one.head] = torch.ones(queries)
                outcome.outputs[one.head] = torch.zeros(queries, output.shape[3])
            if isinstance(one, Scaled):
                part *= one.factor
                changed.add((one.head, one.row))
                if first:
                    outcome.kept[one.head] *= one.factor
                    outcome.outputs[one.head] *= one.factor
                continue
            if isinstance(one, Patched):
                self._check_whole(one, "outputs", len(one.outputs), queries)
            found = one.at(self.before, queries)
            at = one.places(self.before, queries) if isinstance(one, Patched) else list(range(len(found)))
            for row in range(output.shape[0])[_rows(one.row)] if at else ():
                before = any((one.head, which) in changed for which in (None, row))
                there = output[row, at, one.head]
                if before or not _equals_own_output(own, row, one.head, at, found, near=_near(found.to(there), there)):
                    output[row, at, one.head] = found.to(there)
            changed.add((one.head, one.row))
            if first:
                outcome.kept[one.head][at] = 0.0
                outcome.outputs[one.head][at] = found.to(output.dtype).float()
        return output

    def _equals_own_weights(
        self,
        edits: list[Cut | Set | PatchedRows],
        own: OwnRecord,
        where: tuple[int, int],
        at: Tensor,
        weights: Tensor,
        *,
        near: bool,
    ) -> bool:
        """Whether the patched weights of the queries `at` equal the head's own."""
        if not near or not all(isinstance(one, PatchedRows) for one in edits):
            return False
        record = own(where[0])
        return record is not None and torch.equal(
            record.attention(torch.tensor([where[1]]), at)[0], weights.float().cpu()
        )

    def _note_masked(self, record: QKRecord | None, head: int, outcome: Outcome) -> None:
        """Add a note if a patch puts weight on keys that are masked for the query (future tokens, for example)."""
        at = sorted(query for one, query in outcome.rows if one == head)
        if record is None or not at:
            return
        allowed = record.mask.allowed(torch.tensor(at))
        weights = torch.stack([outcome.rows[head, query] for query in at])
        wrong = (weights > 0) & ~allowed[head if len(allowed) > 1 else 0].cpu()
        if bool(wrong.any()):
            row, key = wrong.nonzero()[0].tolist()
            outcome.notes.append(
                f"PatchHead puts weight on masked keys in head {self.name}{head}: query {at[row] + self.before} on key "
                f"{key + self.first_key}, and {int(wrong.sum()) - 1} more."
            )

    def _touched(self, batch: int) -> Iterator[tuple[int, int]]:
        """All pairs (batch row, head) with edited weights."""
        for head in sorted({one.head for one in self.plan.weights}):
            rows = {one.row for one in self.plan.weights if one.head == head}
            for row in range(batch) if None in rows else sorted(row for row in rows if row is not None and row < batch):
                yield row, head

    def _queries(self, edits: list[Cut | Set | PatchedRows], queries: int) -> Tensor:
        """The indices of this call's queries whose weights are edited."""
        named: set[int] = set()
        for one in edits:
            if isinstance(one, PatchedRows):
                self._check_whole(one, "attention", one.queries, queries)
                rows = range(max(0, min(queries, one.queries - self.before)))
                named.update(at for at in rows if one.only is None or at + self.before in one.only)
            elif 0 <= one.query - self.before < queries:
                named.add(one.query - self.before)
        return torch.tensor(sorted(named), dtype=torch.long)

    def _check_whole(self, one: PatchedRows | Patched, what: str, has: int, queries: int) -> None:
        if one.whole and self.before == 0 and has != queries:
            raise InputError(
                f"PatchHead of head {self.name}{one.head} has the {what} of {has} queries, but this input has {queries}. Use a "
                "source with the same number of tokens."
            )

    def _weights(
        self,
        edits: list[Cut | Set | PatchedRows],
        at: Tensor,
        scores: Callable[[Tensor], Scores],
        keys: int,
        outcome: Outcome,
        head: int,
    ) -> Float[Tensor, "row key"]:
        """The edited weights of the queries `at`."""
        last = edits[-1]
        only_patched = not any(isinstance(one, (Cut, Set)) for one in edits)
        if only_patched and isinstance(last, PatchedRows) and bool(self._inside(last, at).all()):
            return self._patch(last, at, keys)
        found = scores(at)
        allowed = found.scores > -torch.inf
        found = Scores(found.scores.clone(), found.sink)
        where = {int(query) + self.before: i for i, query in enumerate(at)}
        for one in edits:
            if isinstance(one, Cut) and one.query in where:
                i = where[one.query]
                there = self._unmasked(one, allowed[i])
                if not there:
                    outcome.notes.append(
                        f"CutEdge changes nothing in head {self.name}{head}: query {one.query} could not attend to "
                        f"{_keys(one.keys)} before the cut."
                    )
                found.scores[i, there] = -torch.inf
                outcome.cuts += [(head, one.query - self.before, key) for key in there]
        weights = found.weights
        for one in edits:
            if isinstance(one, PatchedRows):
                inside = self._inside(one, at)
                weights[inside.to(weights.device)] = self._patch(one, at[inside], keys).to(weights)
            elif isinstance(one, Set) and one.query in where:
                self._set(one, weights[where[one.query]], allowed[where[one.query]], found, outcome)
        return weights

    def _inside(self, one: PatchedRows, at: Tensor) -> Tensor:
        """Which of the queries `at` a patch covers."""
        rows = at + self.before
        if one.only is None:
            return rows < one.queries
        return torch.tensor([row in one.only for row in rows.tolist()], dtype=torch.bool)

    def _patch(self, one: PatchedRows, at: Tensor, keys: int) -> Tensor:
        if one.keys > keys + self.first_key:
            raise InputError(
                f"PatchHead of head {self.name}{one.head} has the attention to {one.keys} keys, but this input has "
                f"{keys + self.first_key}. Use a source with the same number of tokens."
            )
        rows = one.weights(at + self.before)[:, self.first_key :]
        return torch.nn.functional.pad(rows, (0, keys - rows.shape[1]))

    def _set(self, one: Set, row: Tensor, allowed: Tensor, found: Scores, outcome: Outcome) -> None:
        """Set the weight of some keys of a row and rescale the rest to `1 - weight`; a learned sink is part of the rest."""
        keys = self._unmasked(one, allowed)
        if not keys:
            raise InputError(
                f"SetAttention cannot set a weight in head {self.name}{one.head}: query {one.query} cannot attend to "
                f"{_keys(one.keys)}. Choose a key that is not masked."
            )
        shares = row[keys].clone()
        total = shares.sum()
        shares = shares / total if bool(total > 0) else torch.full_like(shares, 1 / len(keys))
        others = row.clone()
        others[keys] = 0.0
        rest = others.sum() if found.sink is None else 1 - total
        scale = torch.where(rest > 0, (1 - one.weight) / rest, torch.zeros_like(rest))
        if not bool(rest > 0) and one.weight < 1:
            outcome.notes.append(
                f"In head {self.name}{one.head}, query {one.query} has no weight on keys other than {span_words(one.keys)}, so "
                f"its row now sums to {one.weight:g}."
            )
        row.copy_(others * scale)
        row[keys] = one.weight * shares

    def _unmasked(self, one: Cut | Set, allowed: Tensor) -> list[int]:
        """The keys of an edit that its query may look at, as the call counts them."""
        keys = [key - self.first_key for key in one.keys]
        return [key for key in keys if 0 <= key < len(allowed) and bool(allowed[key])]


def added(vectors: tuple[Vector, ...], side: str, states: Tensor, before: int) -> Tensor:
    """Add vectors to the residual stream [batch, position, model_dim] on one side of a block, its input or output.

    Raises `InputError` if a vector is not as long as the stream is wide.
    """
    chosen = [one for one in vectors if one.at == side]
    if not chosen:
        return states
    states = states.clone()
    for one in chosen:
        if len(one.value) != states.shape[-1]:
            raise InputError(
                f"The vector of AddVector has {len(one.value)} numbers, but the residual stream has {states.shape[-1]}."
            )
        if one.position is None:
            states[_rows(one.row)] += one.value.to(states)
        elif 0 <= one.position - before < states.shape[1]:
            states[_rows(one.row), one.position - before] += one.value.to(states)
    return states


def _keys(keys: tuple[int, ...]) -> str:
    return f"key{'s' if len(keys) > 1 else ''} {span_words(keys)}"


def _near(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs differ by so little that it may be rounding. Only then is the slow exact comparison made."""
    return torch.allclose(
        one.float(), other.float(), rtol=0.02, atol=0.02 * float(other.abs().max()) if len(other) else 0
    )


def _equals_own_output(own: OwnRecord, row: int, head: int, at: list[int], found: Tensor, *, near: bool) -> bool:
    """Whether the outputs of the queries `at` equal those computed from the head's own record."""
    record = own(row) if near else None
    if record is None:
        return False
    count = len(at) if at == list(range(len(at))) else record.queries  # rounding depends on the number of rows
    return torch.equal(record.output(torch.tensor([head]), torch.arange(count))[0, at], found.float().cpu())


def _rows(row: int | None) -> slice:
    return slice(None) if row is None else slice(row, row + 1)
