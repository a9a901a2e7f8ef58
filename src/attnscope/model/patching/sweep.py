"""`Sweep`: how a prediction changes when one activation at a time comes from another prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnscope.model.metrics.continuation import Continuation
from attnscope.model.metrics.metric import MetricName

if TYPE_CHECKING:
    import pandas

What = Literal["output", "attention", "residual", "mlp"]
By = Literal["head", "position", "layer", "group"]
HeadGroup = tuple[tuple[int, int], ...]
"""Heads that are patched together, each as (layer, head)."""
Column = int | tuple[int, ...] | HeadGroup
"""A head, a position, a span of positions that are patched together, or a group of heads."""

WHAT: tuple[What, ...] = ("output", "attention", "residual", "mlp")
RENAMED_ACTIVATIONS = {"head_output": "output"}
"""Old names of activations that users may still pass as `what`."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """The result of activation patching, from `Model.patch`.

    Each value is the metric of the corrupted prompt's run with one activation taken from the clean prompt's run (Vig et al.
    2020, "Investigating Gender Bias in Language Models Using Causal Mediation Analysis"; Meng et al. 2022, "Locating and
    Editing Factual Associations in GPT").

    Attributes:
        values: The metric of each cell, float64: [layer, head], [layer, position], [layer] or [group] (see `by`); NaN where a
            layer has no such activation.
        unchanged: Cells whose activation is bitwise the same in both runs; nothing is patched there, and the value is
            `corrupted`.
        what: The patched activation: "output", "attention", "residual" or "mlp".
        by: The columns: "head", "position", "layer" or "group".
        stack: The stack that is patched.
        metric: "logit", "probability", "log_probability" or "ratio".
        clean: The metric of the clean prompt's run; most values lie between this and `corrupted`.
        corrupted: The metric of the corrupted prompt's run.
        layers: The layers of the rows; of groups, all their layers.
        columns: The heads or positions (of the corrupted prompt) of the columns. A span of positions that is patched together is
            one column, and so is a group of heads, ((layer, head), …).
        labels: Names of the columns; for positions, the corrupted prompt's tokens.
        sources: For positions, the clean prompt's tokens.
        answer: The answer, one or several tokens (`.text`, `.ids`; `.id` of a single one).
        foil: What the answer is compared with, or None.
        position: The position of the corrupted prompt whose prediction is measured: that of the answer's first token.
        error: The largest difference between an unpatched row of a batch and `corrupted`; effects of this size are rounding.
        source_columns: For positions, those of the clean prompt. They differ from `columns` if the prompts are aligned by span.
        notes: Sentences about what was not patched.
    """

    values: Float[Tensor, "layer *column"]
    unchanged: Bool[Tensor, "layer *column"]
    what: What
    by: By
    stack: str
    metric: MetricName
    clean: float
    corrupted: float
    layers: tuple[int, ...]
    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    answer: Continuation
    foil: Continuation | None
    position: int
    error: float
    source_columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()

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

        For positions it includes the token in the corrupted and in the clean prompt (`token`, `source`), and the position in the
        clean prompt if that is another one (`source_position`). For groups, `group` names the heads (`5.3 + 7.1`).
        """
        import pandas as pd

        numbers = {"value": self.values, "effect": self.effects, "restored": self.restored}
        columns = len(self.columns)
        rows: list[dict[str, object]] = []
        for index in range(self.values.numel()):
            column = index % columns
            cell: dict[str, object] = {} if self.by == "group" else {"layer": self.layers[index // columns]}
            rows.append(
                cell
                | self._names_of(column)
                | {name: float(every.flatten()[index]) for name, every in numbers.items()}
                | {"unchanged": bool(self.unchanged.flatten()[index])}
            )
        return pd.DataFrame(rows)

    def _names_of(self, column: int) -> dict[str, object]:
        if self.by == "layer":
            return {}
        if self.by == "group":
            return {"group": self.labels[column]}
        if self.by == "head":
            return {"head": self.columns[column]}
        named: dict[str, object] = {
            "position": self.columns[column],
            "token": self.labels[column],
            "source": self.sources[column],
        }
        if self.source_columns != self.columns:
            named["source_position"] = self.source_columns[column]
        return named
