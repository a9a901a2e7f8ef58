"""`Sweep`: what a prediction becomes when one activation at a time comes from another prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.errors import InputError
from attnscope.types import Token

if TYPE_CHECKING:
    import pandas

What = Literal["head_output", "attention", "residual", "mlp"]
By = Literal["head", "position", "layer"]
Column = int | tuple[int, ...]
"""A head, a position, or a span of positions that are patched together."""
Metric = Literal["logit", "probability", "log_probability", "ratio"]

WHAT: tuple[What, ...] = ("head_output", "attention", "residual", "mlp")
METRICS: dict[Metric, str] = {
    "logit": "logit(answer) − logit(foil)",
    "probability": "p(answer) − p(foil)",
    "log_probability": "ln p(answer) − ln p(foil)",
    "ratio": "p(answer) / p(foil)",
}
"""Every metric with its formula; the part with the foil falls away where there is none."""


def measured(logits: Float[Tensor, "row vocab"], metric: Metric, answer: int, foil: int | None) -> Float[Tensor, "row"]:
    """The metric of each row of logits, in float64."""
    exact = logits.double()
    if metric == "ratio":
        if foil is None:
            raise InputError("The metric `ratio` is p(answer) / p(foil), so it needs a foil.")
        return (exact[:, answer] - exact[:, foil]).exp()
    if metric != "logit":
        exact = torch.log_softmax(exact, dim=-1)
    if metric == "probability":
        exact = exact.exp()
    return exact[:, answer] - (0 if foil is None else exact[:, foil])


@dataclass(frozen=True, eq=False)
class Sweep:
    """One number a cell: the metric of the corrupted prompt's run with one activation taken from the clean prompt's.

    `values` is [layer, head], [layer, position] or [layer] (`by`), float64, NaN where a layer has no such thing; rows are
    `layers`, columns `columns` (a span of positions is one column) with `labels` (of positions: the corrupted prompt's tokens;
    `sources`: the clean one's). `clean` and `corrupted` are the metric of the two unpatched runs, between which most values lie.
    `unchanged` marks cells whose activation is bit for bit the same in both runs: nothing is patched there and the value is
    `corrupted` itself. `error` is the largest difference of an unpatched row of a batch from `corrupted`: effects of that
    size are rounding.
    """

    values: Float[Tensor, "layer *column"]
    unchanged: Bool[Tensor, "layer *column"]
    what: What
    by: By
    stack: str
    metric: Metric
    clean: float
    corrupted: float
    layers: tuple[int, ...]
    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    answer: Token
    foil: Token | None
    position: int
    error: float

    def __repr__(self) -> str:
        size = " × ".join(str(one) for one in self.values.shape)
        return f"<Sweep of {self.what} by {self.by}, {size}: {self.metric} {self.corrupted:.4g} → {self.clean:.4g}>"

    @property
    def effects(self) -> Float[Tensor, "layer *column"]:
        """`values` minus `corrupted`: what the patch changed."""
        return self.values - self.corrupted

    @property
    def restored(self) -> Float[Tensor, "layer *column"]:
        """(value − corrupted) / (clean − corrupted): 0 for no effect, 1 where the patch alone brings back the clean prediction.

        Not bounded by 0 and 1; NaN where both runs predict the same.
        """
        apart = self.clean - self.corrupted
        return self.effects / apart if apart else torch.full_like(self.values, torch.nan)

    def frame(self) -> pandas.DataFrame:
        """One row a cell: layer, head or position (with its token here and in the clean prompt), and the numbers."""
        import pandas as pd

        rows: list[dict[str, object]] = []
        values, effects, restored = (one.flatten(1) if one.ndim > 1 else one[:, None] for one in self._numbers)
        unchanged = self.unchanged.reshape(values.shape)
        for row, layer in enumerate(self.layers):
            for column in range(values.shape[1]):
                cell: dict[str, object] = {"layer": layer}
                if self.by != "layer":
                    cell |= {self.by: self.columns[column]}
                if self.by == "position":
                    cell |= {"token": self.labels[column], "source": self.sources[column]}
                cell |= {
                    "value": float(values[row, column]),
                    "effect": float(effects[row, column]),
                    "restored": float(restored[row, column]),
                    "unchanged": bool(unchanged[row, column]),
                }
                rows.append(cell)
        return pd.DataFrame(rows)

    @property
    def _numbers(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.values, self.effects, self.restored
