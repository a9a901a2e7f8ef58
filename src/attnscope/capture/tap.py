"""`Tap`: reads or changes what attention computes, in passes that record nothing."""

from __future__ import annotations

from torch import Tensor

from attnscope.capture.call_sites import Place


class Tap:
    """Called in every layer of a pass; this one changes nothing.

    `gradients` says whether the pass has to be differentiable. Only gradients of tensors that the tap itself creates are ever
    computed, so no parameter gets a gradient.
    """

    gradients: bool = False

    def value(self, place: Place, value: Tensor) -> Tensor:  # noqa: ARG002 - for subclasses
        """The value vectors [batch, kv_head, key, v_dim] of a layer to compute with."""
        return value

    def output(self, place: Place, output: Tensor, value: Tensor) -> Tensor:  # noqa: ARG002 - for subclasses
        """The head outputs [batch, query, head, v_dim] of a layer, before W_O, that the model goes on with."""
        return output
