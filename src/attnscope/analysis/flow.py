"""What attention passes on: values weighted by attention, and attention followed through the layers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.attention import QKRecord
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace import Trace
from attnscope.trace.stack import projected


def value_weighted(trace: Trace, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query key"]:
    """‖α_ij f(x_j)‖, what key j gives to query i through this head (Kobayashi et al. 2020, equation 3), float32.

    f(x) = (x W_V + b_V) W_O, of this head alone. Large weights on vectors that are almost nothing (the usual sinks) vanish here.
    Raises `UnsupportedError` where values or the output projection are not known, `InputError` for an unknown layer or head.
    """
    record = trace.layer_record(layer, stack)
    weights = trace.attention(layer, head, stack)
    if not isinstance(record, QKRecord):
        raise UnsupportedError(
            f"The values of layer {layer} are not known: of this layer only attention weights are there."
        )
    projections = trace.traced_stack(stack).projections
    module = projections[layer] if layer < len(projections) else None
    if module is None:
        raise UnsupportedError(
            f"What head {layer}.{head} makes of a value is not known: in this trace no output projection (W_O) reads the "
            "attention of this layer directly. A saved trace has them if it was saved with `weights=True`."
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
    """Attention rollout (Abnar & Zuidema 2020): Π over layers of (½ mean over heads of α + ½ I), float32; rows sum to 1.

    How much of each input token each last position holds, if attention were all that mixes tokens and the residual weighed as
    much: an upper bound on where things can flow, no measure of effect. Rows that sum to less than 1 (learned sinks, no keys) are
    brought back to 1 in each layer. Holds tokens × tokens numbers. Raises `InputError` for cross-attention.
    """
    traced = trace.traced_stack(stack)
    queries, keys = trace.tokens_for(stack)
    if traced.query_side != traced.key_side:
        raise InputError(
            "Rollout follows tokens through layers of self-attention; this stack looks at another side's tokens."
        )
    if any(
        record is not None and (record.queries, record.keys) != (len(queries), len(keys)) for record in traced.records
    ):
        raise InputError("Rollout needs one query and one key for each token in every layer; this stack has others.")
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
