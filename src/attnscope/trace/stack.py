"""One stack of attention layers in a trace, and the projection of its heads' outputs."""

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

    `query_side` and `key_side` name the token lists (`Trace.sides`) of its queries and keys. `projections[i]` is the module
    that turns the heads' outputs of layer i into the attention block's own (W_O), or None where there is no such module.
    `rotary[i]` is how positions turn q and k of layer i, None where they do not or nobody knows how.
    """

    records: list[LayerRecord | None]
    causal: bool
    query_side: str = "text"
    key_side: str = "text"
    projections: list[nn.Module | None] = field(default_factory=list[nn.Module | None])
    rotary: list[Rotary | None] = field(default_factory=list[Rotary | None])

    def rotation(self, layer: int) -> Rotary | None:
        """`rotary[layer]`, also of a stack that was saved without."""
        return self.rotary[layer] if layer < len(self.rotary) else None


def projected(
    module: nn.Module, record: QKRecord, outputs: Float[Tensor, "row heads_v_dim"]
) -> Float[Tensor, "row model_dim"]:
    """W_O of heads' outputs without its bias, float32: by calling the module, so that adapters and quantized layers count."""
    parameter = next(module.parameters(), record.q)
    device = record.q.device if parameter.is_meta else parameter.device
    given = outputs.to(device, parameter.dtype if parameter.dtype.is_floating_point else record.q.dtype)
    with torch.no_grad():
        return (module(given) - module(torch.zeros_like(given[:1]))).float().cpu()
