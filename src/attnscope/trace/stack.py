"""One stack of attention layers in a trace, and the output projection of its heads."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.attention import LayerRecord, QKRecord
from attnscope.types import Rotary


@dataclass(frozen=True)
class TracedStack:
    """The attention layers of one stack. `records[i]` is None where layer i has no attention.

    `query_side` and `key_side` name the token lists (`Trace.sides`) of its queries and keys. `projections[i]` is the output
    projection (W_O) of layer i, a module that maps the heads' outputs to the output of the attention block; None if no single
    module does that. `rotary[i]` is the rotary embedding of q and k in layer i, None if there is none or it is unknown.
    """

    records: list[LayerRecord | None]
    causal: bool
    query_side: str = "text"
    key_side: str = "text"
    projections: list[nn.Module | None] = field(default_factory=list[nn.Module | None])
    rotary: list[Rotary | None] = field(default_factory=list[Rotary | None])

    def rotation(self, layer: int) -> Rotary | None:
        """`rotary[layer]`, or None if the stack was saved without rotary embeddings."""
        return self.rotary[layer] if layer < len(self.rotary) else None


def projected(
    module: nn.Module, record: QKRecord, outputs: Float[Tensor, "row heads_v_dim"]
) -> Float[Tensor, "row model_dim"]:
    """Apply W_O without its bias to head outputs, float32. Calls the module, so adapters and quantized layers take effect."""
    parameter = next(module.parameters(), record.q)
    device = record.q.device if parameter.is_meta else parameter.device
    inputs = outputs.to(device, parameter.dtype if parameter.dtype.is_floating_point else record.q.dtype)
    with torch.no_grad():
        return (module(inputs) - module(torch.zeros_like(inputs[:1]))).float().cpu()
