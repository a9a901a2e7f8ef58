"""A model's prediction scores, recomputed from the final hidden states of a pass that is over.

At 8,192 tokens the logits of a small model are 1.6 GB, so a trace does not keep them. It keeps what the base model put
out, and runs the rest of the model (projection, caps, scales, classifier) once somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from attnscope.capture import prepared
from attnscope.errors import RefusedError
from attnscope.model.anatomy import accepted, relative
from attnscope.trace.certificate import TOLERANCE

_HEAVY = ("hidden_states", "attentions", "past_key_values", "cross_attentions")


class BaseOutput:
    """Catches what the outermost model inside a clone (the one without the prediction head) puts out during a pass."""

    def __init__(self, clone: nn.Module) -> None:
        self.value: Any = None
        self.path: str | None = None
        self._handles = [
            module.register_forward_hook(partial(self._keep, path))
            for path, module in clone.named_modules()
            if isinstance(module, PreTrainedModel) and module is not clone
        ]

    def _keep(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        if not isinstance(getattr(output, "last_hidden_state", None), Tensor):
            return
        self.value, self.path = output, path

    def close(self) -> None:
        """Stop catching, and let go what is not needed to go on from here."""
        for handle in self._handles:
            handle.remove()
        if self.value is not None:
            kept = {name: value for name, value in self.value.items() if name not in _HEAVY}
            self.value = type(self.value)(**kept)


def lazy_logits(
    model: nn.Module, inputs: Mapping[str, Any], base: BaseOutput, last: Tensor | None
) -> Callable[[], Tensor] | None:
    """A function that gives the logits [token, vocab] (or [label] for a classifier), or None where there are none.

    `last` are the logits of the last position as the pass itself gave them: the recomputed ones must agree.
    """
    path, saved = base.path, base.value
    if path is None or last is None:
        return None

    def compute() -> Tensor:
        with prepared(model, None) as clone, torch.no_grad():
            inner = clone.get_submodule(path)
            inner.forward = lambda *_args, **_kwargs: saved
            try:
                output = clone(**inputs, **accepted(clone, use_cache=False, return_dict=True))
            finally:
                del inner.forward
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
