"""`ResultTable`: the values of one prompt after another, collected into arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from attnscope.errors import InputError


class ResultTable:
    """Values of every cell by prompt. All prompts must have the same cells; prompts may be added in any order."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self._cells: pd.DataFrame | None = None
        self._rows: dict[int, dict[str, np.ndarray]] = {}

    def add(self, index: int, cells: pd.DataFrame, values: Mapping[str, Float[np.ndarray, "cell"]]) -> None:
        """Add a prompt's values. Raises `InputError` if its cells are not those of the prompts before."""
        own: Any = cells[self._keys].reset_index(drop=True)
        if self._cells is None:
            self._cells = own
        elif not own.equals(self._cells):
            raise InputError(
                f"Input {index} has {len(own)} cells ({', '.join(own.columns)}) and the inputs before it have "
                f"{len(self._cells)}, so they cannot be averaged. {_advice(own)}"
            )
        self._rows[index] = {name: np.asarray(one, dtype=float) for name, one in values.items()}

    @property
    def indices(self) -> list[int]:
        """The prompts so far, ascending."""
        return sorted(self._rows)

    @property
    def cells(self) -> pd.DataFrame:
        """The cells that all prompts have."""
        if self._cells is None:
            raise InputError("There are no prompts. Pass at least one.")
        return self._cells

    def values(self, names: Sequence[str] | None = None) -> dict[str, Float[np.ndarray, "input cell"]]:
        """The arrays [prompt, cell] by name, in the order of `indices`."""
        indices = self.indices
        chosen = list(self._rows[indices[0]]) if names is None and indices else list(names or ())
        return {name: np.stack([self._rows[index][name] for index in indices]) for name in chosen}

    def row(self, index: int, name: str) -> Float[np.ndarray, "cell"]:
        """One prompt's values."""
        return self._rows[index][name]


def _advice(cells: pd.DataFrame) -> str:
    if "position" in cells.columns:
        return 'Name positions that all prompts have, such as slots: positions=["x", "p"].'
    return "Study prompts of one kind."
