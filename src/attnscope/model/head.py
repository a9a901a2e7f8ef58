"""A model's prediction scores, recomputed from the final hidden states of a pass that is over.

At 8,192 tokens the logits of a small model are 1.6 GB, so a trace does not keep them. It keeps what the base model put
out, and runs the rest of the model (projection, caps, scales, classifier) once somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture import prepared
from attnscope.errors import RefusedError
from attnscope.model.anatomy import accepted, relative
from attnscope.trace.certificate import TOLERANCE

_HEAVY = ("hidden_states", "attentions", "past_key_values", "cross_attentions")


class BaseOutput:
    """Catches what the base model of a clone puts out during a pass."""

    def __init__(self, clone: nn.Module) -> None:
        self.value: Any = None
        base = base_of(clone)
        self._handle = None if base is None else base.register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _args: Any, output: Any) -> None:
        for name in _HEAVY:
            if getattr(output, name, None) is not None:
                output[name] = None
        self.value = output

    def close(self) -> None:
        """Stop catching."""
        if self._handle is not None:
            self._handle.remove()


def base_of(model: nn.Module) -> nn.Module | None:
    """The model without its prediction head, or None where there is no head on top."""
    base = getattr(model, "base_model", None)
    return base if isinstance(base, nn.Module) and base is not model else None


def lazy_logits(
    model: nn.Module, inputs: Mapping[str, Any], base_output: Any, last: Tensor | None
) -> Callable[[], Tensor | None] | None:
    """A function that gives the logits [token, vocab] (or [label] for a classifier), or None where there are none.

    `last` are the logits of the last position as the pass itself gave them: the recomputed ones must agree.
    """
    if base_output is None or last is None:
        return None

    def compute() -> Tensor | None:
        with prepared(model, None) as clone, torch.no_grad():
            base = base_of(clone)
            if base is None:
                return None
            base.forward = lambda *_args, **_kwargs: base_output
            try:
                output = clone(**inputs, **accepted(clone, use_cache=False, return_dict=True))
            finally:
                del base.forward
        logits = output.logits[0].float().cpu()
        final = logits[-1] if logits.ndim == 2 else logits
        error = relative(last, final)
        if not error <= TOLERANCE.get(output.logits.dtype, 1e-4):
            raise RefusedError(
                f"The logits recomputed from the final hidden states differ from the pass's own by {error:.2g}, so they are "
                f"not given for {type(model).__name__}."
            )
        return logits

    return compute
