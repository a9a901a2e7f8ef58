"""Head similarity: the Jensen–Shannon divergence between the attention rows of heads (Clark et al. 2019, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.analysis.arguments import check_trace
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.validation import FLAG, check_arguments

if TYPE_CHECKING:
    import pandas

_WEIGHTS_AT_ONCE = 300_000


@check_arguments(off_sink=FLAG)
def similarity(
    trace: Trace, stack: str | None = None, *, queries: int | None = 32, off_sink: bool = False
) -> pandas.DataFrame:
    """Compute the Jensen–Shannon divergence between every two heads, in nats, averaged over queries.

    JS(p, q) = H((p + q) / 2) − (H(p) + H(q)) / 2 (Clark et al. 2019): 0 for identical rows, ln 2 for rows that share no key.
    The table has one row and one column per head, named `layer.head`. The share of a learned sink counts as one more key.

    Args:
        trace: The trace.
        stack: The stack; optional if the trace has only one.
        queries: How many queries of the text (not padding) to compare, evenly spaced; None for all. The time grows with
            heads² × queries × keys.
        off_sink: Drop attention sinks (the first token of a causal stack, special tokens) and renormalize rows. A pair of heads
            without a common row that still has weights is NaN.

    Raises:
        InputError: `queries` is below 1, the stack does not exist or has no attention, or a layer attends to other tokens.
    """
    import pandas

    check_trace(trace, "similarity")
    if queries is not None and (isinstance(queries, bool) or not hasattr(queries, "__index__") or queries < 1):
        raise InputError(f"`queries` must be a whole number of at least 1, or None for all; got {queries!r}.")
    groups = TokenGroups.of(trace, stack)
    text = groups.counted.nonzero()[:, 0]
    count = len(text) if queries is None else min(queries, len(text))
    chosen = text[torch.linspace(0, len(text) - 1, count).round().long()]
    names: list[str] = []
    parts: list[Tensor] = []
    for layer, record in enumerate(trace.traced_stack(stack).records):
        if record is None:
            continue
        if not groups.fits(record):
            raise InputError(
                f"Similarity needs heads over the same tokens, but layer {layer} of this stack has other queries or keys."
            )
        parts.append(record.attention(torch.arange(record.shape.heads), chosen))
        names += [f"{layer}.{head}" for head in range(record.shape.heads)]
    if not parts:
        raise InputError("No layer of this stack has attention, so there are no heads to compare.")
    rows, known = _distributions(torch.cat(parts), groups, off_sink=off_sink)
    return pandas.DataFrame(_divergences(rows, known).numpy(), index=names, columns=names)


def _distributions(
    weights: Tensor, groups: TokenGroups, *, off_sink: bool
) -> tuple[Tensor, Bool[Tensor, "heads rows"]]:
    """The rows as distributions, and which of them have any weights."""
    known = weights.sum(-1) > 0
    if not off_sink:
        rest = (1 - weights.sum(-1, keepdim=True)).clamp(min=0)
        return torch.cat([weights, torch.where(rest > 1e-4, rest, 0.0)], dim=-1), known
    weights[..., groups.is_sink] = 0
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
