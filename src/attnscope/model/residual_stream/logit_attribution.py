"""Direct logit attribution: what each part of the model adds to one logit, with the scale of the final norm frozen.

The final state is a sum: the embedding and what every block added. With the scale s of the final norm frozen at its value for
this input, the logit is linear in that sum, so each part has a contribution to it (Elhage et al. 2021):

    logit = Σ_parts γ · part · W_answer / s + β · W_answer + b_answer (+ what a soft cap takes away) + remainder
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.model.metrics.continuation import Continuation
from attnscope.model.residual_stream.layer_norm import Norm

if TYPE_CHECKING:
    import pandas

Kind = Literal["embedding", "head", "attention", "attention_bias", "mlp", "block", "final_bias", "cap", "edit"]


@dataclass(frozen=True, eq=False)
class Part:
    """One term of the final state at one position. `layer` and `head` are None where they do not apply."""

    kind: Kind
    layer: int | None
    head: int | None
    stack: str | None
    vector: Float[Tensor, "model_dim"]


@dataclass(frozen=True)
class Share:
    """What one part of the model adds to the logit.

    Attributes:
        kind: The kind of part; see `Contributions`.
        layer: Its layer, or None.
        head: Its head, or None.
        stack: The stack of its attention, or None.
        value: Its contribution in logits.
    """

    kind: Kind
    layer: int | None
    head: int | None
    stack: str | None
    value: float


@dataclass(frozen=True, eq=False)
class Contributions:
    """Direct logit attribution of the answer's logit (or the answer's minus the foil's).

    Of several tokens it is the sum of their logits, each at the position that predicts it, in a pass on the prompt and the tokens
    before it.

    With the scale of the final norm frozen, the logit is a sum over parts of the model (Elhage et al. 2021, "A Mathematical
    Framework for Transformer Circuits"). The kinds of parts are `embedding`; `head` (one head's output through W_O);
    `attention` (all heads together, if they cannot be separated); `attention_bias` (the bias of W_O, and of a norm after it);
    `mlp`; `block` (a whole block, if its parts are unknown); `final_bias` (the biases of the final norm and the unembedding);
    `cap` (what a soft cap on logits changes); and `edit` (a vector that an edit added to the residual stream).

    Attributes:
        shares: A `Share` for each part.
        total: The model's own value, in logits.
        answer: The answer, one or several tokens.
        foil: What is subtracted, or None.
        position: The position whose prediction is explained: that of the answer's first token.
    """

    shares: tuple[Share, ...]
    total: float
    answer: Continuation
    foil: Continuation | None
    position: int

    @property
    def remainder(self) -> float:
        """`total` minus the sum of all shares: rounding errors, larger in a model that computes in half precision."""
        return self.total - sum(one.value for one in self.shares)

    def of(self, kind: Kind) -> list[Share]:
        """The shares of one kind, in the order of the model."""
        return [one for one in self.shares if one.kind == kind]

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per share (kind, stack, layer, head, value) and a last row for the remainder.

        The values sum to `total`.
        """
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
    """The share of each part: its vector through the frozen norm, times the answer's direction in the unembedding."""
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
