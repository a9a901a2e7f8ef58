"""`Result`: one question's values for every input and cell (a head, a layer, a variant), their means and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from attnscope.errors import AttnscopeError, DamagedError, InputError
from attnscope.files import reason, shown
from attnscope.study.intervals import FEWEST, LEVEL, Interval, mean_interval, statistic_interval, unit_means
from attnscope.study.result_file import checked_path, read_table, write_table
from attnscope.study.significance import q_values, sign_flip_p_values
from attnscope.study.statistics import nearer_zero, ratio_of_sums, weighted_means
from attnscope.validation import is_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Summary = Literal["mean", "nearer zero"]

_FORMAT = 1

ASKED = ("edit", "unedited", "top")
"""Variants that are no controls."""


@dataclass(frozen=True)
class Ratio:
    """A value that is summarized as the ratio of two sums over inputs, because a mean of ratios is dominated by small ones."""

    numerator: str
    denominator: str


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to one question about many inputs, from a method of `Study`.

    Inputs that come from the same row of a template (crossed values, swapped orders) are not independent. They form one unit, and
    `n` counts units. Intervals resample units: bootstrap-t for means, BCa for other statistics, 95 %. Below 8 units there is
    none (NaN).

    Attributes:
        question: The method of `Study` that made it.
        sentence: What the values are, in words.
        inputs: One row per input: `prompt` (its index), `unit`, and its labels.
        cells: One row per cell: `layer` and `head`, or what else the values are about.
        values: The numbers, by name, each [input, cell], float64; NaN where undefined. The first is the main one.
        summaries: How a value is summarized over inputs, by name: "mean" unless stated. "nearer zero": the mean per order of the
            nouns first; 0 if the orders disagree in sign, else the mean nearer 0. A `Ratio`: a ratio of sums.
        signed: Whether 0 means "no difference", so that signs matter.
        provenance: Model, prompts, arguments and versions, as JSON values.
        notes: Sentences about what the numbers do not cover.
    """

    question: str
    sentence: str
    inputs: pd.DataFrame
    cells: pd.DataFrame
    values: Mapping[str, Float[np.ndarray, "input cell"]]
    summaries: Mapping[str, Summary | Ratio] = field(default_factory=dict[str, "Summary | Ratio"])
    signed: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        n = self.units
        inputs = f"{len(self.inputs)} input{'s' if len(self.inputs) != 1 else ''}"
        return f"<Result of {self.question}: {len(self.cells)} cells, {inputs} from {n} unit{'s' if n != 1 else ''}>"

    @property
    def units(self) -> int:
        """The number of independent units among the inputs."""
        return len(set(self.inputs["unit"].tolist()))

    @property
    def main(self) -> str:
        """The name of the main value."""
        return next(iter(self.values))

    def frame(self) -> pd.DataFrame:
        """All values as a tidy table: a row for each input and cell, with the input's labels, the cell, and every value."""
        inputs, cells = len(self.inputs), len(self.cells)
        left = self.inputs.iloc[np.repeat(np.arange(inputs), cells)].reset_index(drop=True)
        right = self.cells.iloc[np.tile(np.arange(cells), inputs)].reset_index(drop=True)
        found = pd.concat([left, right], axis=1)
        for name, values in self.values.items():
            found[name] = values.reshape(-1)
        return found

    def summary(self, value: str | None = None, *, level: float = LEVEL, test: bool = False) -> pd.DataFrame:
        """Mean, interval and n of every cell: the columns of `cells`, then `mean`, `low`, `high`, `n`.

        Args:
            value: The name of the value, by default the main one.
            level: The coverage of the interval.
            test: Add a column `q`: the q-value (Benjamini–Hochberg over the cells) of a sign-flip test over units. Only for
                signed values of at least 12 units.

        Raises `InputError` for an unknown value or level, or a test that does not apply.
        """
        name = self._name(value)
        interval = self._interval(name, level)
        found = self.cells.assign(mean=interval.estimate, low=interval.low, high=interval.high, n=interval.n)
        if test:
            found = found.assign(q=self._q(name))
        found.attrs |= {"value": name, "summary": self._words(name), "level": level, "notes": list(self._all_notes())}
        return found

    def top(
        self, k: int = 10, value: str | None = None, *, lowest: bool = False, held_out: bool = False
    ) -> pd.DataFrame:
        """The `k` cells with the largest mean (for signed values, the largest |mean|), as in `summary`.

        Heads that are chosen because their mean is large look larger than they are. With `held_out`, a random half of the units
        chooses them (`chosen_by` is the mean there), and the other half gives mean, interval and n.

        Args:
            k: How many cells.
            value: The name of the value, by default the main one.
            lowest: The smallest means instead; for signed values the most negative.
            held_out: Choose and report on different units. Needs at least two units.

        Raises `InputError` for an unknown value, a `k` below 1, or `held_out` with one unit.
        """
        if not is_whole(k) or k < 1:
            raise InputError(f"`k` must be a whole number from 1; got {k!r:.80}.")
        if not held_out:
            found = self.summary(value)
            return self._ranked(found, found["mean"], lowest=lowest).head(k).reset_index(drop=True)
        if self.units < 2:
            raise InputError("`held_out` needs at least two units, one to choose with and one to report on.")
        chosen, rest = self._halves()
        by = chosen.summary(value)["mean"]
        found = rest.summary(value).assign(chosen_by=by)
        return self._ranked(found, by, lowest=lowest).head(k).reset_index(drop=True)

    def shown(self, k: int, value: str | None = None, *, lowest: bool = False) -> pd.DataFrame:
        """The `k` cells that a short table or figure shows: as in `top`, but edits and what they are compared with come first.

        Controls are many, so that without this the edit itself might be missing.
        """
        found = self.summary(value)
        asked = found["variant"].isin(ASKED) if "variant" in found else pd.Series(data=False, index=found.index)
        first = found[asked.to_numpy()]
        others = self._ranked(found, found["mean"], lowest=lowest)
        others = others[~others.index.isin(first.index)]
        both: Any = pd.concat([first, others.head(max(0, k - len(first)))])
        return both.reset_index(drop=True)

    def where(self, **labels: object) -> Result:
        """The result over the inputs with these labels only. Raises `InputError` for an unknown label, or if none is left."""
        kept = np.ones(len(self.inputs), dtype=bool)
        for name, wanted in labels.items():
            if name not in self.inputs.columns:
                raise InputError(f"There is no label {name!r:.80}; the labels are {', '.join(self.inputs.columns)}.")
            column: Any = self.inputs[name]
            kept &= (column == wanted).to_numpy()
        if not kept.any():
            raise InputError(f"No input has {', '.join(f'{name}={value!r:.80}' for name, value in labels.items())}.")
        return self._subset(kept)

    def plot(self, value: str | None = None, *, k: int = 12, ax: Any = None) -> Figure:
        """Draw the means of all heads as a grid, and the `k` largest with their intervals and every unit's value.

        `ax` draws only the list of the largest into your own axes. Returns the matplotlib figure.
        """
        from attnscope.study.plot import Drawn, plot

        name = self._name(value)
        drawn = Drawn(
            value=name,
            statistic=self._statistic_name(name),
            sentence=self.sentence,
            signed=self.signed,
            keys=tuple(str(one) for one in self.cells.columns),
            summary=self.summary(name),
            top=self.shown(k, name),
            units=self.by_unit(name) if name in self.values else None,
        )
        return plot(drawn, ax)

    def save(self, path: str | Path) -> None:
        """Write the table and its provenance to a `.parquet` file, or to a `.csv` file with a `.json` file beside it.

        `Result.open` reads both again. Files are written whole or not at all. Raises `InputError` for another ending, and
        `WriteError` if the file cannot be written.
        """
        write_table(path, self.frame(), self._head())

    @classmethod
    def open(cls, path: str | Path) -> Result:
        """Read a result that `save` wrote. Raises `MissingError` or `DamagedError`."""
        source = checked_path(path)
        try:
            return cls._read(*read_table(source))
        except AttnscopeError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(
                f"{shown(source)} is not a result of attnscope, or it is damaged: {reason(error)}."
            ) from error

    def with_provenance(self, provenance: Mapping[str, Any]) -> Result:
        """The same result with this provenance."""
        return self._with(provenance=provenance)

    def by_unit(self, value: str | None = None) -> Float[np.ndarray, "unit cell"]:
        """The mean of each unit's inputs, [unit, cell], in the order in which units first occur among the inputs."""
        return unit_means(self.values[self._name(value)], self._codes())

    def _head(self) -> dict[str, Any]:
        """Everything but the numbers, as JSON values."""
        return {
            "format": _FORMAT,
            "question": self.question,
            "sentence": self.sentence,
            "inputs": [str(name) for name in self.inputs.columns],
            "cells": [str(name) for name in self.cells.columns],
            "size": [len(self.inputs), len(self.cells)],
            "values": list(self.values),
            "summaries": {name: how if isinstance(how, str) else asdict(how) for name, how in self.summaries.items()},
            "signed": self.signed,
            "provenance": dict(self.provenance),
            "notes": list(self.notes),
        }

    @classmethod
    def _read(cls, found: pd.DataFrame, head: Mapping[str, Any]) -> Result:
        """The result from its table and head. Raises `ValueError` or `KeyError` if they do not fit."""
        if head["format"] != _FORMAT:
            raise ValueError(f"its format is {head['format']}, and this version reads {_FORMAT}")
        inputs, cells = head["size"]
        if len(found) != inputs * cells:
            raise ValueError(f"it has {len(found)} rows instead of {inputs} × {cells}")
        table: Any = found
        return cls(
            question=head["question"],
            sentence=head["sentence"],
            inputs=table[head["inputs"]].iloc[np.arange(inputs) * cells].reset_index(drop=True),
            cells=table[head["cells"]].iloc[:cells].reset_index(drop=True),
            values={name: table[name].to_numpy(float).reshape(inputs, cells) for name in head["values"]},
            summaries={name: how if isinstance(how, str) else Ratio(**how) for name, how in head["summaries"].items()},  # pyright: ignore[reportArgumentType] - checked when it is used
            signed=bool(head["signed"]),
            provenance=head["provenance"],
            notes=tuple(head["notes"]),
        )

    def _name(self, value: str | None) -> str:
        name = self.main if value is None else value
        if name not in self.values and name not in self.summaries:
            known = ", ".join([*self.values, *(one for one in self.summaries if one not in self.values)])
            raise InputError(f"There is no value {value!r:.80}; the values are {known}.")
        return name

    def _codes(self) -> Int[np.ndarray, "input"]:
        return pd.factorize(self.inputs["unit"])[0].astype(np.int64)

    def _interval(self, name: str, level: float) -> Interval:
        if not 0 < level < 1:
            raise InputError(f"`level` must be between 0 and 1, such as 0.95; got {level!r:.80}.")
        how = self.summaries.get(name, "mean")
        if how == "mean":
            return mean_interval(self.by_unit(name), level=level)
        return statistic_interval(self._statistic(name), self.units, level=level)

    def _statistic(self, name: str) -> Any:
        how = self.summaries.get(name, "mean")
        if isinstance(how, Ratio):
            return ratio_of_sums(self.by_unit(how.numerator), self.by_unit(how.denominator))
        if how == "nearer zero":
            return nearer_zero(self._by_order(name))
        return weighted_means(self.by_unit(name))

    def _by_order(self, name: str) -> list[Float[np.ndarray, "unit cell"]]:
        """The unit means of each order of the nouns."""
        codes, values = self._codes(), self.values[name]
        orders = self.inputs["order"] if "order" in self.inputs else pd.Series([None] * len(self.inputs))
        found: list[np.ndarray] = []
        for order in orders.fillna("").unique():
            others = (orders.fillna("") != order).to_numpy()
            masked = values.copy()
            masked[others] = np.nan
            found.append(unit_means(masked, codes))
        return found

    def _q(self, name: str) -> Float[np.ndarray, "cell"]:
        if not self.signed:
            raise InputError(
                f"A sign-flip test is for differences, in which 0 means no effect. {self.question} gives values that are not."
            )
        if bool(np.isnan(self.by_unit(name)).any()) and isinstance(self.summaries.get(name, "mean"), str):
            whole = np.asarray(~np.isnan(self.by_unit(name)).any(0))
            found = np.full(len(self.cells), np.nan)
            if whole.any():
                part = self._cells(whole)
                found[whole] = part._q(name)
            return found
        return q_values(sign_flip_p_values(self._statistic(name), self.units))

    def _ranked(self, found: pd.DataFrame, by: Any, *, lowest: bool) -> pd.DataFrame:
        key = by.abs() if self.signed and not lowest else by
        order = key.sort_values(ascending=lowest, kind="stable", na_position="last").index
        ranked = found.loc[order]
        return ranked[by.loc[order].notna().to_numpy()]

    def _halves(self) -> tuple[Result, Result]:
        codes = self._codes()
        order = np.random.default_rng(0).permutation(self.units)
        chosen = np.isin(codes, order[: self.units // 2])
        return self._subset(chosen), self._subset(~chosen)

    def _subset(self, kept: np.ndarray) -> Result:
        return self._with(
            inputs=self.inputs[kept].reset_index(drop=True),
            values={name: one[kept] for name, one in self.values.items()},
        )

    def _cells(self, kept: np.ndarray) -> Result:
        return self._with(
            cells=self.cells[kept].reset_index(drop=True),
            values={name: one[:, kept] for name, one in self.values.items()},
        )

    def _with(self, **changes: Any) -> Result:
        return replace(self, **changes)

    def _statistic_name(self, name: str) -> str:
        how = self.summaries.get(name, "mean")
        if isinstance(how, Ratio):
            return "ratio of sums"
        several = "order" in self.inputs and len(set(self.inputs["order"].dropna().tolist())) > 1
        return "mean of the order nearer 0" if how == "nearer zero" and several else "mean"

    def _words(self, name: str) -> str:
        how = self.summaries.get(name, "mean")
        if isinstance(how, Ratio):
            return f"Σ {how.numerator} / Σ {how.denominator}"
        return "mean over units" if how == "mean" else "mean per order; 0 if they differ in sign, else the one nearer 0"

    def _all_notes(self) -> Sequence[str]:
        few = self.units < FEWEST
        words = f"{self.units} unit{'s' if self.units != 1 else ''}: fewer than {FEWEST}, so there is no interval."
        return (*self.notes, *([words] if few else []))
