"""How alike heads are: the Jensen–Shannon divergence between their rows (Clark et al. 2019, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace import Trace

if TYPE_CHECKING:
    import pandas

_WEIGHTS_AT_ONCE = 300_000


def similarity(
    trace: Trace, stack: str | None = None, *, queries: int | None = 32, off_sink: bool = False
) -> pandas.DataFrame:
    """The Jensen–Shannon divergence in nats between any two heads, mean over queries: 0 alike, ln 2 nothing in common.

    Rows and columns are heads, written `layer.head`. At most `queries` queries, evenly spread, are compared (None: all); the time
    grows with heads² × queries × keys. What a learned sink takes counts as one more key. With `off_sink` rows are without the
    sinks and brought back to a sum of 1; NaN where two heads have no row in common that has any keys.
    """
    import pandas

    if queries is not None and queries < 1:
        raise InputError(f"`queries` is how many queries to compare, at least 1; got {queries}.")
    layout = TokenGroups.of(trace, stack)
    count = layout.queries if queries is None else min(queries, layout.queries)
    chosen = torch.linspace(0, layout.queries - 1, count).round().long()
    names: list[str] = []
    parts: list[Tensor] = []
    for layer, record in enumerate(trace.traced_stack(stack).records):
        if record is None:
            continue
        if not layout.fits(record):
            raise InputError("Heads are compared over the same tokens, and a layer of this stack has others.")
        parts.append(record.attention(torch.arange(record.shape.heads), chosen))
        names += [f"{layer}.{head}" for head in range(record.shape.heads)]
    if not parts:
        raise InputError("No layer of this stack has attention, so there are no heads to compare.")
    rows, known = _distributions(torch.cat(parts), layout, off_sink=off_sink)
    return pandas.DataFrame(_divergences(rows, known).numpy(), index=names, columns=names)


def _distributions(
    weights: Tensor, layout: TokenGroups, *, off_sink: bool
) -> tuple[Tensor, Bool[Tensor, "heads rows"]]:
    """The rows as distributions, and which of them are any."""
    known = weights.sum(-1) > 0
    if not off_sink:
        rest = (1 - weights.sum(-1, keepdim=True)).clamp(min=0)
        return torch.cat([weights, torch.where(rest > 1e-4, rest, 0.0)], dim=-1), known
    weights[..., layout.is_sink] = 0
    left = weights.sum(-1)
    return weights / left.clamp(min=torch.finfo(torch.float32).tiny)[..., None], left > 0


def _divergences(
    rows: Float[Tensor, "heads rows keys"], known: Bool[Tensor, "heads rows"]
) -> Float[Tensor, "heads heads"]:
    """JS(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2, mean over the rows that both heads have."""
    heads, count, keys = rows.shape
    sums, counts = torch.zeros(2, heads, heads, dtype=torch.float64)
    for part in torch.arange(count).split(max(1, _WEIGHTS_AT_ONCE // (heads * keys))):
        some, there = rows[:, part], known[:, part]
        entropies = _entropy(some)
        for head in range(heads):
            both = there[head:] & there[head]
            each = _entropy((some[head:] + some[head]) / 2) - (entropies[head:] + entropies[head]) / 2
            sums[head, head:] += torch.where(both, each.clamp(min=0), 0.0).sum(-1)
            counts[head, head:] += both.sum(-1)
    means = (sums / counts).float()
    return torch.triu(means) + torch.triu(means, 1).T


def _entropy(rows: Float[Tensor, "heads rows keys"]) -> Float[Tensor, "heads rows"]:
    return -torch.linalg.vecdot(rows, rows.clamp(min=torch.finfo(torch.float32).tiny).log_())
