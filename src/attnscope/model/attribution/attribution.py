"""`Attribution`: the estimates of attribution patching, and what real patches did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.attribution.agreement import same_sign, spearman
from attnscope.model.effects.effect import described
from attnscope.validation import is_whole

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Confirmation:
    """Real patches of the cells with the largest estimates, and of as many others drawn at random.

    A head's output is replaced by that of the clean run; an edge's weight is set to that of the clean run, and the other weights
    of its row stay as they are.

    Attributes:
        cells: The (layer, head) or (layer, head, query, key) of each patch, the largest estimates first.
        estimates: Their estimates, float64 [cell].
        effects: The metric with the patch minus that of the corrupted run, float64 [cell].
        largest: How many of the cells were chosen by their estimate; the others were drawn.
        error: The largest difference between an unpatched pass in a batch and the corrupted run: smaller effects are rounding.
    """

    cells: tuple[tuple[int, ...], ...]
    estimates: Float[Tensor, "cell"]
    effects: Float[Tensor, "cell"]
    largest: int
    error: float

    @property
    def spearman(self) -> float:
        """The rank correlation of estimates and effects over the largest estimates; NaN for fewer than two."""
        return spearman(self.estimates[: self.largest], self.effects[: self.largest])

    @property
    def spearman_drawn(self) -> float:
        """The same over the cells that were drawn at random."""
        return spearman(self.estimates[self.largest :], self.effects[self.largest :])

    @property
    def same_sign(self) -> float:
        """The share of the largest estimates whose patch changes the metric in the same direction."""
        return same_sign(self.estimates[: self.largest], self.effects[: self.largest])

    @property
    def sentence(self) -> str:
        """The agreement in words."""
        drawn = len(self.cells) - self.largest
        return (
            f"real patches of the {self.largest} largest estimates: rank correlation {self.spearman:.2f}, same sign "
            f"{self.same_sign:.0%}; of {drawn} others: rank correlation {self.spearman_drawn:.2f}"
        )

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per patch: layer, head (query, key), estimate, effect, drawn."""
        import pandas as pd

        names = ("layer", "head", "query", "key")[: len(self.cells[0]) if self.cells else 2]
        columns: dict[str, Any] = {name: [cell[i] for cell in self.cells] for i, name in enumerate(names)}
        drawn = [index >= self.largest for index in range(len(self.cells))]
        return pd.DataFrame(
            {**columns, "estimate": self.estimates.numpy(), "effect": self.effects.numpy(), "drawn": drawn}
        )


@dataclass(frozen=True, eq=False)
class Attribution:
    """Estimates of what patching each head or attention edge would change, from `Model.attribution_patch`.

    A first-order estimate (Nanda 2023, "Attribution Patching"; for edges cf. Syed et al. 2023): it is exact for a metric that is
    linear in the activation, and wrong where a head saturates or where several must change together. `confirmation` says how well
    it holds here.

    Attributes:
        estimates: (clean − corrupted) · ∂metric/∂activation in the corrupted run: [layer, head], or [layer, head, query, key]
            for edges. The unit is that of the metric; NaN where a layer has no such head.
        of: "heads" or "edges".
        stack: The stack of the heads.
        layers: The layers of the rows.
        clean: The metric of the clean run.
        corrupted: The metric of the corrupted run.
        metric: The name of the metric.
        answer: The text that the metric measures, or None for a function of the logits.
        foil: The text that it is compared with, or None.
        position: The position whose prediction is measured.
        confirmation: What real patches did, or None.
    """

    estimates: Float[Tensor, "layer head *edge"]
    of: Literal["heads", "edges"]
    stack: str
    layers: tuple[int, ...]
    clean: float
    corrupted: float
    metric: str
    answer: str | None
    foil: str | None
    position: int
    confirmation: Confirmation | None

    def frame(self, top: int | None = None) -> pandas.DataFrame:
        """A DataFrame of layer, head (query, key), estimate: the `top` largest by size, or all that are not 0.

        Raises `InputError` for a `top` that is no whole number from 0.
        """
        import pandas as pd

        if top is not None and (not is_whole(top) or top < 0):
            raise InputError(f"`top` must be a whole number from 0, or None; got {top!r:.80}.")
        flat = self.estimates.flatten()
        known = (~flat.isnan() & (flat != 0)).nonzero()[:, 0]
        order = known[flat[known].abs().argsort(descending=True, stable=True)][:top]
        layers, *others = torch.unravel_index(order, self.estimates.shape)
        columns: dict[str, Any] = {"layer": torch.tensor(self.layers)[layers].numpy()}
        columns |= {name: one.numpy() for name, one in zip(("head", "query", "key"), others, strict=False)}
        return pd.DataFrame({**columns, "estimate": flat[order].double().numpy()})

    def __repr__(self) -> str:
        confirmed = "not confirmed" if self.confirmation is None else self.confirmation.sentence
        return f"<Attribution of {self.of}: {described(self)}, {self.corrupted:.4g} → {self.clean:.4g}; {confirmed}>"
