"""Distance decay: how a head's score falls with the distance between query and key, and which neurons make it fall.

    c_n(Δ) = mean over i of q_in · k_(i−Δ)n · scaling           contribution of neuron n to the mean score at distance Δ
    score(Δ) = Σ_n c_n(Δ)                                       before soft cap, bias and mask
    slope = least-squares slope of score(Δ) = Σ_n slope_n       share_n = slope_n / slope

Under RoPE a unit is a pair of dimensions that rotate together; otherwise it is a single dimension. In a bidirectional stack
Δ = |i − j|. Vig 2019 shows such neurons in figure 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.analysis.arguments import check_trace
from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention import QKRecord
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace import Trace
from attnscope.validation import FLAG, check_arguments

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Decay:
    """The mean score of a head by distance, and how much each unit contributes to it.

    Attributes:
        distances: The distances in tokens, from 1.
        units: The units: pairs of dimensions of q and k that rotate together (RoPE), or single dimensions.
        scores: Mean score at each distance, [distances], float32, before soft cap, bias and mask.
        parts: Contribution of each unit to `scores`, [units, distances]; sums to `scores` over the units.
        slope: Least-squares slope of `scores`, per token of distance.
        spearman: Rank correlation of score and distance; -1 if the score falls at every step.
        slopes: Slope of each unit's contribution, [units]; sums to `slope`.
        shares: `slopes / slope`, [units]; sums to 1.
    """

    distances: tuple[int, ...]
    units: tuple[tuple[int, ...], ...]
    scores: Float[Tensor, "distances"]
    parts: Float[Tensor, "units distances"]
    slope: float
    spearman: float
    slopes: Float[Tensor, "units"]
    shares: Float[Tensor, "units"]


@check_arguments(with_sinks=FLAG)
def decay(
    trace: Trace,
    layer: int,
    head: int,
    stack: str | None = None,
    *,
    furthest: int | None = None,
    with_sinks: bool = False,
) -> Decay:
    """Compute how the mean score of one head falls with distance, over distances 1 to `furthest` (default: half the tokens).

    Keys that are attention sinks (the first token of a causal stack, special tokens) are excluded from the means unless
    `with_sinks` is set.

    Raises:
        InputError: The layer or head does not exist, or the text is too short.
        UnsupportedError: q and k are unknown, or queries and keys belong to different tokens (cross-attention).
    """
    check_trace(trace, "decay")
    record = _qk(trace, layer, stack)
    trace.q(layer, head, stack)  # raises `InputError` for a head out of range
    last = _furthest(trace, stack, furthest)
    parts = _by_dimension(trace, record, stack, [head], last, with_sinks=with_sinks)[0]
    units = _units(trace, layer, stack, record.q.shape[2])
    by_unit = torch.stack([parts[list(unit)].sum(0) for unit in units])
    slopes = _slopes(by_unit)
    scores = by_unit.sum(0)
    slope = float(_slopes(scores[None])[0])
    return Decay(
        distances=tuple(range(1, last + 1)),
        units=units,
        scores=scores,
        parts=by_unit,
        slope=slope,
        spearman=_spearman(scores),
        slopes=slopes,
        shares=slopes / slope,
    )


@check_arguments(with_sinks=FLAG)
def decays(
    trace: Trace, stack: str | None = None, *, furthest: int | None = None, with_sinks: bool = False
) -> pandas.DataFrame:
    """Compute the distance decay of every head, as a table sorted from the steepest fall.

    The columns are `layer`, `head`, `slope` (per token of distance) and `spearman`; see `Decay`. The arguments and errors are
    those of `decay`.
    """
    import pandas

    check_trace(trace, "decays")
    rows: list[tuple[int, int, float, float]] = []
    trace.traced_stack(stack)  # raises for a stack that is unknown, or that must be named
    for layer, shape in enumerate(trace.stacks[stack or next(iter(trace.stacks))].shapes):
        if shape is None:
            continue
        record = _qk(trace, layer, stack)
        last = _furthest(trace, stack, furthest)
        all_heads = list(range(record.shape.heads))
        scores = _by_dimension(trace, record, stack, all_heads, last, with_sinks=with_sinks).sum(1)
        slopes = _slopes(scores)
        rows += [(layer, head, float(slopes[head]), _spearman(scores[head])) for head in all_heads]
    table = pandas.DataFrame(rows, columns=["layer", "head", "slope", "spearman"])
    return table.sort_values("slope", kind="stable", ignore_index=True)


def _qk(trace: Trace, layer: int, stack: str | None) -> QKRecord:
    record = trace.layer_record(layer, stack)
    traced = trace.traced_stack(stack)
    if not isinstance(record, QKRecord) or traced.query_side != traced.key_side:
        raise UnsupportedError(
            f"Distance decay needs q and k of the same tokens. Layer {layer} has no known q and k, or attends to other tokens."
        )
    return record


def _furthest(trace: Trace, stack: str | None, furthest: int | None) -> int:
    tokens = sum(not token.padding for token in trace.tokens_for(stack)[0])
    last = tokens // 2 if furthest is None else furthest
    if not hasattr(last, "__index__") or isinstance(last, bool) or not 3 <= last < tokens - 1:
        raise InputError(
            f"`furthest` must be at least 3 and less than the number of tokens minus one; got {last!r} with {tokens} tokens. Use "
            "a longer text."
        )
    return last


def _by_dimension(
    trace: Trace, record: QKRecord, stack: str | None, heads: list[int], last: int, *, with_sinks: bool
) -> Float[Tensor, "heads dims distances"]:
    """c_n(Δ) of every dimension."""
    chosen = torch.tensor(heads)
    q = record.q[chosen].float().cpu() * record.scaling
    k = record.k[record.key_head(chosen)].float().cpu()
    groups = TokenGroups.of(trace, stack)
    kept = ~groups.padding if with_sinks else ~groups.padding & ~groups.is_sink
    asked = groups.counted
    both_ways = not trace.traced_stack(stack).causal
    columns: list[Tensor] = []
    for distance in range(1, last + 1):
        pairs = [(q[:, distance:], k[:, :-distance], kept[:-distance] & asked[distance:])]
        if both_ways:
            pairs.append((q[:, :-distance], k[:, distance:], kept[distance:] & asked[:-distance]))
        total = sum((queries[:, open_] * keys[:, open_]).sum(1, dtype=torch.float64) for queries, keys, open_ in pairs)
        count = sum(int(open_.sum()) for _, _, open_ in pairs)
        columns.append((torch.as_tensor(total) / count).float())
    return torch.stack(columns, dim=-1)


def _units(trace: Trace, layer: int, stack: str | None, dims: int) -> tuple[tuple[int, ...], ...]:
    rotary = trace.rotary(layer, stack)
    pairs = () if rotary is None else rotary.pairs
    paired = {dim for pair in pairs for dim in pair}
    return (*pairs, *((dim,) for dim in range(dims) if dim not in paired))


def _slopes(values: Float[Tensor, "rows distances"]) -> Float[Tensor, "rows"]:
    """Least-squares slopes over consecutive distances."""
    centered = torch.arange(values.shape[1], dtype=torch.float64) - (values.shape[1] - 1) / 2
    return ((values.double() @ centered) / (centered @ centered)).float()


def _spearman(scores: Float[Tensor, "distances"]) -> float:
    ranks = scores.argsort().argsort().double()
    ranks -= ranks.mean()
    distances = torch.arange(len(scores), dtype=torch.float64) - (len(scores) - 1) / 2
    return float((ranks @ distances) / (distances @ distances))
