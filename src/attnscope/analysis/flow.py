"""Value-weighted attention, and attention rollout through the layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.analysis.arguments import check_trace
from attnscope.attention import QKRecord
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace import Trace
from attnscope.trace.stack import projected


def value_weighted(trace: Trace, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query key"]:
    """Compute ‖α_ij f(x_j)‖, the norm of what head `head` adds at query i from key j (Kobayashi et al. 2020, equation 3).

    f(x) = (x W_V + b_V) W_O, with the part of W_O that belongs to this head. Large weights on very short vectors, as on most
    attention sinks, become small here. Gates and edits of the head's output are included. The result is float32,
    [query, key], in the units of the residual stream.

    Raises:
        InputError: The stack, layer or head does not exist.
        UnsupportedError: The trace has no value vectors or no output projection for this layer.
    """
    check_trace(trace, "value_weighted")
    record = trace.layer_record(layer, stack)
    weights = trace.attention(layer, head, stack)
    if not isinstance(record, QKRecord):
        raise UnsupportedError(
            f"The value vectors of layer {layer} are unknown: the trace has only attention weights for this layer."
        )
    projections = trace.traced_stack(stack).projections
    module = projections[layer] if layer < len(projections) else None
    if module is None:
        raise UnsupportedError(
            f"Value-weighted attention of head {layer}.{head} is unknown: in this trace no output projection (W_O) reads the "
            "attention of this layer directly. A saved trace has the projections if it was saved with `weights=True`."
        )
    width = record.shape.v_dim
    alone = torch.zeros(record.keys, record.shape.heads * width)
    alone[:, head * width : (head + 1) * width] = trace.v(layer, head, stack)
    passed_on = (
        weights if record.edited is None else weights * record.edited.kept_of(head, record.queries).abs()[:, None]
    )
    if record.gate is None:
        return passed_on * projected(module, record, alone).norm(dim=-1)
    gate, part = record.gate[:, head].float().cpu(), slice(head * width, (head + 1) * width)
    lengths = torch.empty(record.queries, record.keys)
    for query in range(record.queries):
        gated = alone.clone()
        gated[:, part] *= gate[query]
        lengths[query] = projected(module, record, gated).norm(dim=-1)
    return passed_on * lengths


def rollout(trace: Trace, stack: str | None = None) -> Float[Tensor, "query key"]:
    """Compute attention rollout (Abnar & Zuidema 2020): Π over layers of (½ mean over heads of α + ½ I).

    The result is float32, [query, key], and its rows sum to 1. Row i says how much of each input token position i holds after
    the last layer, assuming that only attention mixes tokens and that the residual connection weighs as much as attention. It
    is not a measure of effect. Where attention rows sum to less than 1 (learned sinks, no keys), each layer's row is
    renormalized after the residual is added. Layers without attention are skipped. Memory grows with tokens².

    Raises:
        InputError: The stack does not exist, is cross-attention, or has a layer with queries or keys other than its tokens.
    """
    check_trace(trace, "rollout")
    traced = trace.traced_stack(stack)
    queries, keys = trace.tokens_for(stack)
    if traced.query_side != traced.key_side:
        raise InputError(
            "Rollout needs self-attention, but this stack is cross-attention: its keys are tokens of the other side."
        )
    if any(
        record is not None and (record.queries, record.keys) != (len(queries), len(keys)) for record in traced.records
    ):
        raise InputError(
            "Rollout needs one query and one key per token in every layer, but a layer of this stack has other queries or keys."
        )
    flow = torch.eye(len(queries))
    for record in traced.records:
        if record is None:
            continue
        mixed = torch.empty(len(queries), len(queries))
        for rows, weights in record.tiles(torch.arange(record.shape.heads)):
            part = weights.mean(0)
            part[torch.arange(len(rows)), rows] += 1
            mixed[rows] = part / part.sum(-1, keepdim=True)
        flow = mixed @ flow
    return flow
