"""How much of the attention of every head follows a pattern P (formulas: docs/reference/measures.md).

    share = Σ α·P / Σ α          closeness = 1 − mean over rows of Σ_j |α_ij − P_ij|

Only rows count that may attend to a key of P, and only the keys that they may attend to. Sums are kept rather than means, so that
the matches of many texts can be pooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnscope.analysis.match_rows import RowBlock, RowBlocks
from attnscope.analysis.patterns import Pattern, Related
from attnscope.analysis.token_groups import TokenGroups, mask_of
from attnscope.attention import LayerRecord, Mask
from attnscope.errors import InputError
from attnscope.trace import Trace

_WEIGHTS_AT_ONCE = 4_000_000
_MOST_OFFSETS = 1024


@dataclass(frozen=True, eq=False)
class Match:
    """The sums behind `analysis.match`, for all heads of all layers that have attention, in the model's order.

    Attributes:
        layer: The layer of each head.
        head: The head within its layer.
        rows: The number of query rows that count.
        attended: Σ α over these rows.
        followed: Σ α·P over these rows.
        apart: Σ |α − P| over these rows.
        words: The number of query words that count: rows, but for words of several tokens.
        hits: The words whose most attended key is one of P's keys.
        shuffled: Σ α·P with P's keys shuffled within each row's allowed keys, for each draw.
        offsets: Fixed offsets k that the pattern has, in words; empty where queries and keys belong to different texts.
        offset_hits: The words for which the key k words before is one of P's keys.
        offset_followed: Σ α on the key k words before, over the rows that may attend to it.
        offset_attended: Σ α over the same rows.
    """

    layer: Int[Tensor, "all_heads"]
    head: Int[Tensor, "all_heads"]
    rows: Float[Tensor, "all_heads"]
    attended: Float[Tensor, "all_heads"]
    followed: Float[Tensor, "all_heads"]
    apart: Float[Tensor, "all_heads"]
    words: Float[Tensor, "all_heads"]
    hits: Float[Tensor, "all_heads"]
    shuffled: Float[Tensor, "draws all_heads"]
    offsets: Int[Tensor, "offsets"]
    offset_hits: Float[Tensor, "all_heads offsets"]
    offset_followed: Float[Tensor, "all_heads offsets"]
    offset_attended: Float[Tensor, "all_heads offsets"]

    @property
    def share(self) -> Float[Tensor, "all_heads"]:
        """Σ α·P / Σ α; NaN where no row counts."""
        return self.followed / self.attended

    @property
    def accuracy(self) -> Float[Tensor, "all_heads"]:
        """The share of words whose most attended key is one of P's keys."""
        return self.hits / self.words

    @property
    def closeness(self) -> Float[Tensor, "all_heads"]:
        """1 − the mean over rows of Σ_j |α_ij − P_ij|."""
        return 1 - self.apart / self.rows

    @property
    def shuffled_shares(self) -> Float[Tensor, "draws all_heads"]:
        """`share` of each draw of the control."""
        return self.shuffled / self.attended

    @property
    def best_offset(self) -> Int[Tensor, "all_heads"]:
        """The index in `offsets` of the offset that is most often right, the shortest of equals; -1 where there is none."""
        if not len(self.offsets):
            return torch.full_like(self.layer, -1, dtype=torch.long)
        order = sorted(range(len(self.offsets)), key=lambda at: (abs(int(self.offsets[at])), -int(self.offsets[at])))
        most, place = self.offset_hits[:, order].max(-1)
        return torch.where(most > 0, torch.tensor(order)[place], -1)

    @property
    def offset(self) -> Int[Tensor, "all_heads"]:
        """The best fixed offset; meaningless where `best_offset` is -1."""
        best = self.best_offset
        return self.offsets[best] if len(self.offsets) else best

    @property
    def offset_accuracy(self) -> Float[Tensor, "all_heads"]:
        """The share of words for which the key at the best offset is one of P's keys; NaN where there is no offset."""
        return _at(self.offset_hits, self.best_offset) / self.words

    @property
    def offset_share(self) -> Float[Tensor, "all_heads"]:
        """The part of the head's attention on the best offset; NaN where there is none."""
        best = self.best_offset
        return _at(self.offset_followed, best) / _at(self.offset_attended, best)


def match_of(
    trace: Trace,
    pattern: Pattern,
    stack: str | None = None,
    *,
    off_sink: bool = False,
    draws: int = 20,
    seed: int = 0,
) -> Match:
    """The match of every head of a stack with a pattern. A text without any pair of the pattern gives sums of 0.

    Raises `InputError` if the pattern cannot be applied to this text, for an unknown stack, or if the stack has no attention.
    """
    groups = TokenGroups.of(trace, stack)
    related = pattern.related(groups)
    offsets = _offsets(related, groups)
    records = [(layer, one) for layer, one in enumerate(trace.traced_stack(stack).records) if one is not None]
    if not any(groups.fits(record) for _, record in records):
        raise InputError(
            "No layer of this stack has one query and one key for each token of the text, so no pattern can be compared."
        )
    known: list[tuple[Mask, list[RowBlocks]]] = []
    parts: list[_Sums] = []
    for layer, record in records:
        sums = _Sums.empty(layer, record.shape.heads, draws, offsets)
        if groups.fits(record):
            blocks = _blocks_of(
                known, mask_of(record, groups), groups, related, off_sink=off_sink, draws=draws, seed=seed
            )
            of_each = (
                [torch.arange(record.shape.heads)] if len(blocks) == 1 else list(torch.arange(len(blocks)).split(1))
            )
            for heads, own in zip(of_each, blocks, strict=True):
                _add(sums, record, heads, own, off_sink=off_sink)
        parts.append(sums)
    return Match(
        layer=torch.cat([one.layer for one in parts]),
        head=torch.cat([torch.arange(len(one.layer)) for one in parts]),
        offsets=offsets,
        shuffled=torch.cat([one.shuffled for one in parts], dim=1),
        **{name: torch.cat([getattr(one, name) for one in parts]) for name in _SUMMED},
    )


def pooled(matches: Sequence[Match]) -> Match:
    """The match over several texts: the sums of all of them. The heads and draws must be the same; at least one text."""
    offsets = torch.cat([one.offsets for one in matches]).unique()
    first = matches[0]
    spread: dict[str, Tensor] = {}
    for name in ("offset_hits", "offset_followed", "offset_attended"):
        spread[name] = torch.zeros(len(first.layer), len(offsets), dtype=torch.float64)
        for one in matches:
            spread[name][:, torch.searchsorted(offsets, one.offsets)] += getattr(one, name)
    names = ("rows", "attended", "followed", "apart", "words", "hits", "shuffled")
    total: dict[str, Tensor] = {name: torch.stack([getattr(one, name) for one in matches]).sum(0) for name in names}
    return Match(layer=first.layer, head=first.head, offsets=offsets, **total, **spread)


_SUMMED = (
    "rows", "attended", "followed", "apart", "words", "hits", "offset_hits", "offset_followed", "offset_attended"
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Sums:
    """The sums of `Match` for one layer; added to in place."""

    layer: Tensor
    rows: Tensor
    attended: Tensor
    followed: Tensor
    apart: Tensor
    words: Tensor
    hits: Tensor
    shuffled: Tensor
    offsets: Tensor
    offset_hits: Tensor
    offset_followed: Tensor
    offset_attended: Tensor

    @classmethod
    def empty(cls, layer: int, heads: int, draws: int, offsets: Tensor) -> _Sums:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64)

        return cls(
            layer=torch.full((heads,), layer),
            offsets=offsets,
            shuffled=zeros(draws, heads),
            **{name: zeros(heads, len(offsets)) if name.startswith("offset") else zeros(heads) for name in _SUMMED},
        )


def _add(sums: _Sums, record: LayerRecord, heads: Tensor, blocks: RowBlocks, *, off_sink: bool) -> None:
    """Add the rows of some heads of a layer that share a mask."""
    for block in blocks:
        for some in heads.split(max(1, _WEIGHTS_AT_ONCE // (len(block.rows) * record.keys))):
            weights = record.attention(some, block.rows).masked_fill_(~block.allowed, 0.0)
            totals = weights.sum(-1, keepdim=True)
            if off_sink:
                weights = torch.where(totals > 0, weights / totals, 0.0)
            _add_rows(sums, some, weights, block)
            _add_words(sums, some, weights, block)


def _add_rows(sums: _Sums, heads: Tensor, weights: Float[Tensor, "heads rows keys"], block: RowBlock) -> None:
    """Add what is counted by rows: the sums over weights, and the control."""
    totals = weights.sum(-1, dtype=torch.float64)
    used = totals > 0
    on = weights[:, block.places, block.keys].double()
    followed = on.sum(-1)
    of_pattern = torch.zeros(len(block.rows), dtype=torch.float64).index_add_(
        0, block.places, torch.ones(len(block.places), dtype=torch.float64)
    )
    sums.rows[heads] += used.sum(-1)
    sums.attended[heads] += totals.sum(-1)
    sums.followed[heads] += followed
    sums.apart[heads] += (used * of_pattern).sum(-1) + totals.sum(-1) - 2 * followed
    for draw, (places, keys) in enumerate(block.shuffled.pairs):
        drawn = weights[:, places, keys].double() * torch.where(block.shuffled.outside[places], -1.0, 1.0)
        sums.shuffled[draw, heads] += drawn.sum(-1) + totals[:, block.shuffled.outside].sum(-1)


def _add_words(sums: _Sums, heads: Tensor, weights: Float[Tensor, "heads rows keys"], block: RowBlock) -> None:
    """Add what is counted by words: the most attended word, and the fixed offsets."""
    used = weights.sum(-1) > 0
    if block.key_words is not None:
        whole = torch.zeros(*weights.shape[:2], int(block.key_words.max()) + 1)
        weights = whole.index_add_(2, block.key_words, weights)
    if len(sums.offsets):
        target = block.at_key[:, None] - sums.offsets
        inside = (target >= 0) & (target < weights.shape[2])
        target = target.clamp(0, weights.shape[2] - 1)
        reached = inside & block.row_allowed.gather(1, target)
        there = weights.gather(2, target.expand(len(heads), -1, -1)).double()
        sums.offset_followed[heads] += (there * reached).sum(1)
        sums.offset_attended[heads] += weights.sum(-1, dtype=torch.float64) @ reached.double()
    count = torch.zeros(len(heads), block.words).index_add_(1, block.row_word, used.float())
    if block.words < len(block.rows):
        mean = torch.zeros(len(heads), block.words, weights.shape[2]).index_add_(1, block.row_word, weights)
        weights = mean / count.clamp(min=1)[..., None]
    counted = count > 0
    largest = weights.masked_fill(~block.word_pattern, -1.0).amax(-1)
    other = weights.masked_fill(block.word_pattern | ~block.word_allowed, -1.0).amax(-1)
    sums.words[heads] += counted.sum(-1)
    sums.hits[heads] += (counted & (largest > other)).sum(-1)
    if len(sums.offsets):
        target = block.word_at_key[:, None] - sums.offsets
        inside = (target >= 0) & (target < weights.shape[2])
        right = inside & block.word_pattern.gather(1, target.clamp(0, weights.shape[2] - 1))
        sums.offset_hits[heads] += counted.double() @ right.double()


def _blocks_of(
    known: list[tuple[Mask, list[RowBlocks]]],
    mask: Mask,
    groups: TokenGroups,
    related: Related,
    *,
    off_sink: bool,
    draws: int,
    seed: int,
) -> list[RowBlocks]:
    """The rows that count under a mask: once for all heads, or for each head. `known` collects those of earlier layers."""
    for other, blocks in known:
        if other.same(mask):
            return blocks
    heads = 1 if mask.bits is None else mask.bits.shape[0]
    found = [
        RowBlocks(groups, related, mask.of_head(head), off_sink=off_sink, draws=draws, seed=seed)
        for head in range(heads)
    ]
    known.append((mask, found))
    return found


def _offsets(related: Related, groups: TokenGroups) -> Int[Tensor, "offsets"]:
    """The offsets between the words of the pattern, ascending; the most frequent ones if there are many."""
    if not groups.aligned:
        return torch.zeros(0, dtype=torch.long)
    apart = related.key_words[_starts(related.query_words)][related.query_words[related.queries]]
    offsets, counts = (apart - related.key_words[related.keys]).unique(return_counts=True)
    return offsets[counts.argsort(descending=True, stable=True)[:_MOST_OFFSETS]].sort().values


def _starts(words: Int[Tensor, "tokens"]) -> Int[Tensor, "words"]:
    """The first token of every word."""
    count = int(words.max()) + 1 if len(words) else 0
    return torch.zeros(count, dtype=torch.long).scatter_reduce_(
        0, words, torch.arange(len(words)), "amin", include_self=False
    )


def _at(values: Float[Tensor, "all_heads offsets"], best: Int[Tensor, "all_heads"]) -> Float[Tensor, "all_heads"]:
    if not values.shape[1]:
        return torch.full((len(best),), torch.nan, dtype=torch.float64)
    return torch.where(best >= 0, values.gather(1, best.clamp(min=0)[:, None])[:, 0], torch.nan)
