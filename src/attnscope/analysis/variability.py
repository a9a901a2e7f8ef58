"""Variability: how much the attention of a head differs between inputs, position by position (Vig & Belinkov 2019).

    variability = Σ_x Σ_ij |α_ij(x) − ᾱ_ij| / (2 Σ_x Σ_ij α_ij(x))        ᾱ_ij = mean of α_ij over the inputs x

It is 0 for a head that attends by position alone, and near 1 for a head that attends elsewhere in every input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnscope.analysis.arguments import check_trace
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.validation import FLAG, Kind, check_arguments, is_whole

if TYPE_CHECKING:
    import pandas

_MOST_BYTES = 4_000_000_000
_POSITIONS = Kind("an integer, at least 2", lambda value: is_whole(value) and int(value) >= 2)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, eq=False)
class Variability:
    """The variability of every head, for each input: Σ |α − ᾱ| / (2 Σ α), whose mean over the inputs is that of them all.

    Attributes:
        layer: The layer of each head.
        head: The head within its layer.
        values: One row for each input, in their order.
        positions: How many positions were compared.
    """

    layer: Int[Tensor, "all_heads"]
    head: Int[Tensor, "all_heads"]
    values: Float[Tensor, "inputs all_heads"]
    positions: int


@dataclass(frozen=True, eq=False)
class _Window:
    """The first positions of one input: α of all heads there, and which keys are attention sinks."""

    weights: Float[Tensor, "all_heads queries keys"]
    sinks: Bool[Tensor, "keys"]


@check_arguments(off_sink=FLAG, positions=_POSITIONS)
def variability(
    traces: Iterable[Trace], stack: str | None = None, *, off_sink: bool = True, positions: int = 32
) -> pandas.DataFrame:
    """How much the attention of every head differs between inputs, as a table: the most variable head first.

    `variability` is Σ |α − ᾱ| / (2 Σ α) over the inputs, with ᾱ the mean at the same positions (Vig & Belinkov 2019): 0 if the
    head attends by position alone. Inputs are cut to the first `positions` tokens, and to the length of the shortest; the columns
    `n` and `positions` say how many inputs and positions were compared. Padding is dropped before positions are counted.

    `off_sink` (the default) drops every position that is an attention sink (the first token of a causal stack, special tokens)
    in any of the inputs, and renormalizes what remains of each row; otherwise a head that only attends to a sink counts as one
    that attends by position. A query with nothing left in any of the inputs doesn't count.

    A list of traces is read twice, and only sums are kept. Of a generator, each trace is read once and α of the first positions
    is kept: heads × positions² × 4 bytes for each input. Raises `InputError` for fewer than two traces, traces of different
    models, or a generator that would need more than 4 GB.
    """
    import pandas

    found = variability_by_input(traces, stack, off_sink=bool(off_sink), positions=int(positions))
    table = pandas.DataFrame(
        {
            "layer": found.layer.numpy(),
            "head": found.head.numpy(),
            "variability": found.values.mean(0).numpy(),
            "n": len(found.values),
            "positions": found.positions,
        }
    )
    return table.sort_values("variability", ascending=False, kind="stable", ignore_index=True)


def variability_by_input(
    traces: Iterable[Trace], stack: str | None = None, *, off_sink: bool = True, positions: int = 32
) -> Variability:
    """The variability of every head for each input. Arguments and errors are those of `variability`."""
    if isinstance(traces, (Trace, str)) or not isinstance(traces, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`traces` is a list of traces, or a generator of them; got {traces!r:.80}.")
    if isinstance(traces, Sequence):
        layer, head, windows = _listed(traces, stack, positions)
    else:
        layer, head, windows = _kept(traces, stack, positions)
    values, rows = _values(windows, off_sink=off_sink)
    return Variability(layer, head, values, rows)


Windows = Callable[[], Iterator[_Window]]
"""All inputs, cut to the same positions, as often as needed."""


def _listed(traces: Sequence[Trace], stack: str | None, positions: int) -> tuple[Tensor, Tensor, Windows]:
    """The heads, and windows that are computed whenever they are asked for."""
    places = [_places(trace, stack, positions) for trace in traces]
    if len(places) < 2:
        raise _too_few(len(places))
    sizes = tuple(min(len(one[side]) for one in places) for side in (0, 1))
    layer, head = _heads(traces[0], stack)

    def windows() -> Iterator[_Window]:
        for trace, (queries, keys) in zip(traces, places, strict=True):
            _check_heads(trace, stack, layer, head)
            yield _window(trace, stack, queries[: sizes[0]], keys[: sizes[1]])

    return layer, head, windows


def _kept(traces: Iterable[Trace], stack: str | None, positions: int) -> tuple[Tensor, Tensor, Windows]:
    """The heads, and windows that are kept because a generator gives each trace once."""
    known: list[_Window] = []
    heads: tuple[Tensor, Tensor] | None = None
    held = 0
    for trace in traces:
        queries, keys = _places(trace, stack, positions)
        heads = heads or _heads(trace, stack)
        _check_heads(trace, stack, *heads)
        known.append(_window(trace, stack, queries, keys))
        held += known[-1].weights.nbytes
        if held > _MOST_BYTES:
            raise InputError(
                f"After {len(known)} inputs, {held / 1e9:.1f} GB of attention weights are kept, the limit for a generator. "
                "Pass a list of traces, or fewer `positions`."
            )
    if heads is None or len(known) < 2:
        raise _too_few(len(known))
    queries, keys = (min(one.weights.shape[axis] for one in known) for axis in (1, 2))
    return *heads, lambda: (_Window(one.weights[:, :queries, :keys], one.sinks[:keys]) for one in known)


def _values(windows: Windows, *, off_sink: bool) -> tuple[Float[Tensor, "inputs all_heads"], int]:
    """The variability of all heads for each input, and the number of positions."""
    sinks = torch.stack([one.sinks for one in windows()]).any(0)

    def weights() -> Iterator[tuple[Tensor, Tensor]]:
        """α of each input in float64, without the sinks and renormalized, and which rows have any."""
        for one in windows():
            own = one.weights.double()
            if off_sink:
                own = own.masked_fill(sinks, 0.0)
            total = own.sum(-1, keepdim=True)
            yield torch.where(total > 0, own / total, 0.0) if off_sink else own, total[..., 0] > 0

    mean, counted, count = torch.zeros(()), torch.ones((), dtype=torch.bool), 0
    for own, has_keys in weights():
        mean, counted, count = mean + own, counted & has_keys, count + 1
    mean = mean / count
    apart = torch.stack([((own - mean).abs().sum(-1) * counted).sum(-1) for own, _ in weights()])
    total = (mean.sum(-1) * counted).sum(-1)  # of ᾱ, so that the mean over the inputs is the value of them all
    return apart / (2 * total), mean.shape[1]


def _places(trace: Any, stack: str | None, positions: int) -> tuple[Int[Tensor, "queries"], Int[Tensor, "keys"]]:
    """The first queries and keys of the text."""
    check_trace(trace, "variability")
    groups = TokenGroups.of(trace, stack)
    for record in trace.traced_stack(stack).records:
        if record is not None and not groups.fits(record):
            raise InputError(
                "In this stack, queries and keys are not the tokens of the text, so positions can't be compared."
            )
    return groups.counted.nonzero()[:positions, 0], (~groups.padding).nonzero()[:positions, 0]


def _window(trace: Trace, stack: str | None, queries: Tensor, keys: Tensor) -> _Window:
    records = [record for record in trace.traced_stack(stack).records if record is not None]
    weights = [record.attention(torch.arange(record.shape.heads), queries)[..., keys] for record in records]
    return _Window(torch.cat(weights), TokenGroups.of(trace, stack).is_sink[keys])


def _heads(trace: Trace, stack: str | None) -> tuple[Int[Tensor, "all_heads"], Int[Tensor, "all_heads"]]:
    """The layer and the number of every head."""
    records = [(layer, one) for layer, one in enumerate(trace.traced_stack(stack).records) if one is not None]
    if not records:
        raise InputError("No layer of this stack has attention.")
    layer = torch.cat([torch.full((one.shape.heads,), at) for at, one in records])
    return layer, torch.cat([torch.arange(one.shape.heads) for _, one in records])


def _check_heads(trace: Trace, stack: str | None, layer: Tensor, head: Tensor) -> None:
    own = _heads(trace, stack)
    if not torch.equal(own[0], layer) or not torch.equal(own[1], head):
        raise InputError("The traces have different layers and heads. Compare inputs of one model.")


def _too_few(count: int) -> InputError:
    return InputError(f"Variability compares at least two inputs; got {count}.")
