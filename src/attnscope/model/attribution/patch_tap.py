"""Real patches of heads' outputs and of single attention weights, one in each row of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.capture import Place, Tap


@dataclass(frozen=True, eq=False)
class OutputPatch:
    """Replace a head's output by another, at every query."""

    place: Place
    head: int
    outputs: Sequence[Float[Tensor, "query v_dim"]]
    """For each scoring pass."""

    def apply(self, number: int, output: Float[Tensor, "query head v_dim"], _value: Tensor) -> None:
        """Change the outputs of a row in scoring pass `number`."""
        output[:, self.head] = self.outputs[number].to(output)


@dataclass(frozen=True)
class WeightPatch:
    """Add `change` to one attention weight of a head after the softmax. The other weights of the row stay as they are."""

    place: Place
    head: int
    query: int
    key: int
    change: float

    def apply(
        self, _number: int, output: Float[Tensor, "query head v_dim"], value: Float[Tensor, "kv_head key v_dim"]
    ) -> None:
        """Change the outputs of a row: the head's output is Σ_j α_ij v_j, so it moves by `change` · v_j."""
        exact = torch.promote_types(output.dtype, torch.float32)
        own = value[self.head * len(value) // output.shape[1], self.key].to(exact)
        output[self.query, self.head] = (output[self.query, self.head].to(exact) + self.change * own).to(output.dtype)


Patch = OutputPatch | WeightPatch


class PatchTap(Tap):
    """Applies each patch to its row of the batch, in one scoring pass."""

    def __init__(self, number: int, patches: Sequence[tuple[int, Patch]]) -> None:
        self._number = number
        self._by_place: Mapping[Place, list[tuple[int, Patch]]] = {
            place: [(row, one) for row, one in patches if one.place == place]
            for place in {one.place for _, one in patches}
        }

    def output(self, place: Place, output: Tensor, value: Tensor) -> Tensor:
        """The outputs with the patches of this layer."""
        patches = self._by_place.get(place)
        if not patches:
            return output
        output = output.clone()
        for row, one in patches:
            one.apply(self._number, output[row], value[row])
        return output
