"""The difference between the attention of two passes, current − baseline, where their tokens, layers and heads correspond."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.analysis.arguments import check_trace
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence
from attnscope.trace.trace import Rows


def difference(
    trace: Trace, baseline: Trace, layer: int, head: int, stack: str | None = None, rows: Rows = None
) -> Float[Tensor, "query key"]:
    """Attention weights of `trace` minus those of `baseline`, [query, key] of `trace`, float32.

    NaN where the query or the key has no counterpart. Equal tokens correspond, and so do the tokens of a run that the other
    prompt replaces by a run of the same length (*He* and *She*); added and removed tokens correspond to nothing. Layers and heads
    correspond by their index.

    Args:
        trace: The current pass: with edits, of another prompt, or of another model with the same tokenizer.
        baseline: The pass to subtract.
        layer: The layer.
        head: The head.
        stack: The stack; optional if the trace has only one.
        rows: Only these queries of `trace`, as in `Trace.attention`.

    Raises:
        InputError: The tokenizers differ, no token corresponds, or the baseline has no such layer or head.
    """
    check_trace(trace, "difference")
    check_trace(baseline, "difference")
    weights = trace.attention(layer, head, stack, rows)
    found = Correspondence.of(trace, baseline)
    record = found.record(layer, stack)
    if head >= found.heads(layer, stack):
        raise InputError(
            f"Head {head} of layer {layer} has no difference: this layer has heads 0 to {record.shape.heads - 1} in the baseline."
        )
    queries, keys = found.tokens(layer, stack)
    chosen = queries[trace.query_rows(rows, trace.layer_record(layer, stack), stack)]
    both = chosen >= 0
    differences = torch.full_like(weights, torch.nan)
    before = record.attention(torch.tensor([head]), chosen[both])[0]
    differences[both] = torch.where(keys >= 0, weights[both] - before[:, keys.clamp(min=0)], torch.nan)
    return differences
