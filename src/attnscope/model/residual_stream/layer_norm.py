"""A normalization as the linear map that it is with a fixed scale; direct logit attribution freezes that scale.

    RMSNorm    y = γ · x / s           with s = rms(x)
    LayerNorm  y = γ · (x − x̄) / s + β  with s = std(x)

The name or the ε of a module does not matter: the module runs on known vectors, and counts as a norm only if the equation gives
its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

_SIZE = 100.0


@dataclass(frozen=True, eq=False)
class Norm:
    """γ (`weight`) and β (`bias`), float32, and whether the mean over the dimensions is subtracted first (`centered`)."""

    weight: Float[Tensor, "model_dim"]
    bias: Float[Tensor, "model_dim"]
    centered: bool

    def scaled(self, x: Float[Tensor, "*rows model_dim"]) -> Float[Tensor, "*rows model_dim"]:
        """γ · x, with the mean of x subtracted if the norm does so: linear in x."""
        return self.weight * (x - x.mean(-1, keepdim=True) if self.centered else x)

    def scale(
        self, x: Float[Tensor, "row model_dim"], y: Float[Tensor, "row model_dim"], tolerance: float
    ) -> Float[Tensor, "row"] | None:
        """s of each row, from the module's input and output; None if the equation does not give y."""
        up, rest = self.scaled(x), y - self.bias
        scale = (up * up).sum(-1) / (up * rest).sum(-1)
        error = (up / scale[:, None] - rest).abs().amax(-1)
        return scale if bool((error <= tolerance * y.abs().amax(-1).clamp_min(1e-30)).all()) else None


def norm_of(module: nn.Module, dim: int) -> Norm | None:
    """γ, β and kind of a normalization over the last `dim` dimensions; None if `module` is not one."""
    parameter = next(module.parameters(), torch.zeros(()))
    if dim % 2 or parameter.is_meta or not parameter.dtype.is_floating_point:
        return None
    sign = torch.ones(dim)
    sign[1::2] = -1
    vectors = torch.stack([sign * _SIZE, -sign * _SIZE, sign * _SIZE + _SIZE / 2])[None]
    try:
        with torch.no_grad():
            up, down, shifted = module(vectors.to(parameter.device, parameter.dtype))[0].float().cpu()
    except Exception:  # noqa: BLE001 - any module may be tested, and one that fails on a vector is not a norm
        return None
    if up.shape != (dim,):
        return None
    bias, half = (up + down) / 2, (up - down) / 2
    centered = bool((shifted - up).abs().max() <= 1e-2 * up.abs().max())
    return Norm(weight=half * sign, bias=bias, centered=centered)
