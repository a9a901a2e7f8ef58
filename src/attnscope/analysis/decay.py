"""How a head's score falls with the distance between query and key, and which neurons make it fall.

    c_n(Δ) = mean over i of q_in · k_(i−Δ)n · scaling           the part of neuron n in the mean score at distance Δ
    score(Δ) = Σ_n c_n(Δ)                                       before soft cap, bias and mask
    slope = least squares of score(Δ) over Δ = Σ_n slope_n      share_n = slope_n / slope

Under RoPE the unit is a pair of dimensions that turn together, elsewhere one dimension. A stack that looks both ways is taken at
Δ = |i − j|. Vig 2019 shows such neurons in its figure 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention import QKRecord
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace import Trace

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Decay:
    """The mean score of a head by distance, and the part of each unit in it.

    `distances` are those from 1; `scores[d]` belongs to `distances[d]`. `units` are pairs of dimensions that turn together, or
    single ones, and `parts[n]` sum over n to `scores`. `slope` is per token of distance, `spearman` the rank correlation of score
    and distance: -1 for a score that only falls. `slopes` sum to `slope`, `shares` to 1.
    """

    distances: tuple[int, ...]
    units: tuple[tuple[int, ...], ...]
    scores: Float[Tensor, "distances"]
    parts: Float[Tensor, "units distances"]
    slope: float
    spearman: float
    slopes: Float[Tensor, "units"]
    shares: Float[Tensor, "units"]


def decay(
    trace: Trace,
    layer: int,
    head: int,
    stack: str | None = None,
    *,
    furthest: int | None = None,
    with_sinks: bool = False,
) -> Decay:
    """How the mean score of one head falls with the distance, over the distances 1 to `furthest` (half the tokens, if left out).

    Keys that are sinks (the first token of a causal stack, special tokens) are no part of the means unless `with_sinks`.
    Raises `InputError` for a layer or head that is not there or a text that is too short, `UnsupportedError` where q and k are
    not known or their positions have nothing to do with each other.
    """
    record = _qk(trace, layer, stack)
    trace.q(layer, head, stack)  # a head out of range gets its sentence there
    last = _furthest(record, furthest)
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


def decays(
    trace: Trace, stack: str | None = None, *, furthest: int | None = None, with_sinks: bool = False
) -> pandas.DataFrame:
    """Slope and rank correlation of every head: the columns `layer`, `head`, `slope`, `spearman`, steepest fall first."""
    import pandas

    rows: list[tuple[int, int, float, float]] = []
    for layer, shape in enumerate(trace.stacks[stack or next(iter(trace.stacks))].shapes):
        if shape is None:
            continue
        record = _qk(trace, layer, stack)
        last = _furthest(record, furthest)
        every = list(range(record.shape.heads))
        scores = _by_dimension(trace, record, stack, every, last, with_sinks=with_sinks).sum(1)
        slopes = _slopes(scores)
        rows += [(layer, head, float(slopes[head]), _spearman(scores[head])) for head in every]
    table = pandas.DataFrame(rows, columns=["layer", "head", "slope", "spearman"])
    return table.sort_values("slope", kind="stable", ignore_index=True)


def _qk(trace: Trace, layer: int, stack: str | None) -> QKRecord:
    record = trace.layer_record(layer, stack)
    traced = trace.traced_stack(stack)
    if not isinstance(record, QKRecord) or traced.query_side != traced.key_side:
        raise UnsupportedError(
            f"How scores fall with distance is known of layers with queries and keys of the same tokens; layer {layer} is none."
        )
    return record


def _furthest(record: QKRecord, furthest: int | None) -> int:
    last = record.queries // 2 if furthest is None else furthest
    if not 3 <= last < record.queries - 1:
        raise InputError(
            f"Distances go from 1 to `furthest`, at least 3 and less than the number of tokens minus one; got {last} of "
            f"{record.queries} tokens. Take a longer text."
        )
    return last


def _by_dimension(
    trace: Trace, record: QKRecord, stack: str | None, heads: list[int], last: int, *, with_sinks: bool
) -> Float[Tensor, "heads dims distances"]:
    """c_n(Δ) of every single dimension."""
    chosen = torch.tensor(heads)
    q = record.q[chosen].float().cpu() * record.scaling
    k = record.k[record.key_head(chosen)].float().cpu()
    kept = torch.ones(record.keys, dtype=torch.bool) if with_sinks else ~TokenGroups.of(trace, stack).is_sink
    both_ways = not trace.traced_stack(stack).causal
    columns: list[Tensor] = []
    for distance in range(1, last + 1):
        pairs = [(q[:, distance:], k[:, :-distance], kept[:-distance])]
        if both_ways:
            pairs.append((q[:, :-distance], k[:, distance:], kept[distance:]))
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
