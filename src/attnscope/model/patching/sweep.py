"""`Sweep`: how a prediction changes when one activation at a time comes from another prompt."""

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

What = Literal["output", "attention", "residual", "mlp"]
By = Literal["head", "position", "layer"]
Column = int | tuple[int, ...]
"""A head, a position, or a span of positions that are patched together."""
Metric = Literal["logit", "probability", "log_probability", "ratio"]

WHAT: tuple[What, ...] = ("output", "attention", "residual", "mlp")
RENAMED_ACTIVATIONS = {"head_output": "output"}
"""Old names of activations that users may still pass as `what`."""
METRICS: dict[Metric, str] = {
    "logit": "logit(answer) − logit(foil)",
    "probability": "p(answer) − p(foil)",
    "log_probability": "ln p(answer) − ln p(foil)",
    "ratio": "p(answer) / p(foil)",
}
"""Every metric with its formula; without a foil, the part with the foil is omitted."""


def measured(logits: Float[Tensor, "row vocab"], metric: Metric, answer: int, foil: int | None) -> Float[Tensor, "row"]:
    """The metric of each row of logits, in float64. Raises `InputError` for `ratio` without a foil."""
    exact = logits.double()
    if metric == "ratio":
        if foil is None:
            raise InputError("The metric `ratio` is p(answer) / p(foil). Pass `foil`.")
        return (exact[:, answer] - exact[:, foil]).exp()
    if metric != "logit":
        exact = torch.log_softmax(exact, dim=-1)
    if metric == "probability":
        exact = exact.exp()
    return exact[:, answer] - (0 if foil is None else exact[:, foil])


@dataclass(frozen=True, eq=False)
class Sweep:
    """The result of activation patching, from `Model.patch`.

    Each value is the metric of the corrupted prompt's run with one activation taken from the clean prompt's run (Vig et al.
    2020, "Investigating Gender Bias in Language Models Using Causal Mediation Analysis"; Meng et al. 2022, "Locating and
    Editing Factual Associations in GPT").

    Attributes:
        values: The metric of each cell, float64: [layer, head], [layer, position] or [layer] (see `by`); NaN where a layer has
            no such activation.
        unchanged: Cells whose activation is bitwise the same in both runs; nothing is patched there, and the value is
            `corrupted`.
        what: The patched activation: "output", "attention", "residual" or "mlp".
        by: The columns: "head", "position" or "layer".
        stack: The stack that is patched.
        metric: "logit", "probability", "log_probability" or "ratio".
        clean: The metric of the clean prompt's run; most values lie between this and `corrupted`.
        corrupted: The metric of the corrupted prompt's run.
        layers: The layers of the rows.
        columns: The heads or positions of the columns. A span of positions that is patched together is one column.
        labels: Names of the columns; for positions, the corrupted prompt's tokens.
        sources: For positions, the clean prompt's tokens.
        answer: The answer token.
        foil: The token that the answer is compared with, or None.
        position: The position whose prediction is measured.
        error: The largest difference between an unpatched row of a batch and `corrupted`; effects of this size are rounding.
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
        """`values` minus `corrupted`: what each patch changed, in the unit of the metric. Same shape as `values`."""
        return self.values - self.corrupted

    @property
    def restored(self) -> Float[Tensor, "layer *column"]:
        """(value − corrupted) / (clean − corrupted): 0 for no effect, 1 if the patch alone restores the clean prediction.

        Values below 0 and above 1 are possible. NaN if both runs predict the same. Same shape as `values`.
        """
        apart = self.clean - self.corrupted
        return self.effects / apart if apart else torch.full_like(self.values, torch.nan)

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per cell: layer, head or position, value, effect, restored, unchanged.

        For positions it includes the token in the corrupted and in the clean prompt (`token`, `source`).
        """
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
