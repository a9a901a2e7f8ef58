"""Direct logit attribution: what each part of the model adds to one logit, with the final norm's scale held.

The last state is a sum: the embedding and what every block added. With the scale s of the final norm frozen at this input's
own value, the logit is linear in that sum, so each part has a share of it (Elhage et al. 2021):

    logit = Σ_parts γ · part · W_answer / s + β · W_answer + b_answer (+ what a soft cap takes away) + remainder
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.model.residual_stream.layer_norm import Norm
from attnscope.types import Token

if TYPE_CHECKING:
    import pandas

Kind = Literal["embedding", "head", "attention", "attention_bias", "mlp", "block", "final_bias", "cap", "edit"]


@dataclass(frozen=True, eq=False)
class Part:
    """One vector that the last state is a sum of, at one position. `layer` and `head` are None where they mean nothing."""

    kind: Kind
    layer: int | None
    head: int | None
    stack: str | None
    vector: Float[Tensor, "model_dim"]


@dataclass(frozen=True)
class Share:
    """What one part adds to the logit."""

    kind: Kind
    layer: int | None
    head: int | None
    stack: str | None
    value: float


@dataclass(frozen=True, eq=False)
class Contributions:
    """Shares of the answer's logit (or of the answer's minus the foil's) at one position.

    `total` is the model's own number; `remainder` is what the shares miss of it (rounding: a model that computes in half
    precision has more of it). `kind` is `embedding`; `head` (one head's output through W_O); `attention` (all heads, where they
    cannot be told apart); `attention_bias` (the bias of W_O, and of a norm behind it); `mlp`; `block` (a whole block, where its
    parts are not known); `final_bias` (biases of the final norm and the unembedding); `cap` (what a soft cap on logits
    changes); `edit` (a vector that an edit added to the stream).
    """

    shares: tuple[Share, ...]
    total: float
    answer: Token
    foil: Token | None
    position: int

    @property
    def remainder(self) -> float:
        """`total` minus the sum of all shares."""
        return self.total - sum(one.value for one in self.shares)

    def of(self, kind: Kind) -> list[Share]:
        """The shares of one kind, in the model's order."""
        return [one for one in self.shares if one.kind == kind]

    def frame(self) -> pandas.DataFrame:
        """One row a share (kind, stack, layer, head, value) and, last, the remainder; values sum to `total`."""
        import pandas as pd

        rows = [(one.kind, one.stack, one.layer, one.head, one.value) for one in self.shares]
        rows.append(("remainder", None, None, None, self.remainder))
        found = pd.DataFrame(rows, columns=["kind", "stack", "layer", "head", "value"])
        return found.astype({"layer": "Int64", "head": "Int64"})


def attributed(
    parts: Sequence[Part],
    direction: Float[Tensor, "model_dim"],
    norm: Norm | None,
    scale: float,
) -> list[Share]:
    """The share of each part: its vector through the frozen norm, times the direction of the answer in the unembedding."""
    through = direction.double()
    if norm is not None:
        through = through * norm.weight.double()
        through = through - through.mean() if norm.centered else through
    through = through / scale
    values = torch.stack([part.vector.double() for part in parts]) @ through
    return [
        Share(part.kind, part.layer, part.head, part.stack, value)
        for part, value in zip(parts, values.tolist(), strict=True)
    ]
