"""A normalization as the linear map that it is while its scale is held: what direct logit attribution freezes.

    RMSNorm    y = γ · x / s           with s = rms(x)
    LayerNorm  y = γ · (x − x̄) / s + β  with s = std(x)

A module is not asked for its name or its ε: it is run over known vectors, and taken only where the equation then gives its
own outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

_SIZE = 100.0


@dataclass(frozen=True, eq=False)
class Norm:
    """γ (`weight`) and β (`bias`), float32, and whether the mean over the dimensions is taken out first."""

    weight: Float[Tensor, "model_dim"]
    bias: Float[Tensor, "model_dim"]
    centered: bool

    def scaled(self, x: Float[Tensor, "*rows model_dim"]) -> Float[Tensor, "*rows model_dim"]:
        """γ · x, of x without its mean where the norm takes it out: linear in x."""
        return self.weight * (x - x.mean(-1, keepdim=True) if self.centered else x)

    def scale(
        self, x: Float[Tensor, "row model_dim"], y: Float[Tensor, "row model_dim"], tolerance: float
    ) -> Float[Tensor, "row"] | None:
        """s of each row, from what went into the module and what came out; None where the equation does not give y."""
        up, rest = self.scaled(x), y - self.bias
        scale = (up * up).sum(-1) / (up * rest).sum(-1)
        error = (up / scale[:, None] - rest).abs().amax(-1)
        return scale if bool((error <= tolerance * y.abs().amax(-1).clamp_min(1e-30)).all()) else None


def norm_of(module: nn.Module, dim: int) -> Norm | None:
    """γ, β and kind of a normalization over the last `dim` dimensions; None where `module` is nothing of that kind."""
    parameter = next(module.parameters(), torch.zeros(()))
    if dim % 2 or parameter.is_meta or not parameter.dtype.is_floating_point:
        return None
    sign = torch.ones(dim)
    sign[1::2] = -1
    given = torch.stack([sign * _SIZE, -sign * _SIZE, sign * _SIZE + _SIZE / 2])[None]
    try:
        with torch.no_grad():
            up, down, shifted = module(given.to(parameter.device, parameter.dtype))[0].float().cpu()
    except Exception:  # noqa: BLE001 - any module may be asked, and one that takes no vector is no norm
        return None
    if up.shape != (dim,):
        return None
    bias, half = (up + down) / 2, (up - down) / 2
    centered = bool((shifted - up).abs().max() <= 1e-2 * up.abs().max())
    return Norm(weight=half * sign, bias=bias, centered=centered)
