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

from attnscope.capture import CACHES, pass_options, prepared
from attnscope.errors import UnsupportedError
from attnscope.model.hf.hidden_states import relative
from attnscope.trace.certificate import tolerance_of

_HEAVY = frozenset(
    {
        "hidden_states", "attentions", *CACHES, "cross_attentions",
        "encoder_hidden_states", "encoder_attentions", "decoder_hidden_states", "decoder_attentions",
    }
)  # fmt: skip


class BaseOutput:
    """Catches what the outermost models inside a clone put out during a pass: all of it but the prediction head.

    That is the base model, or the encoder and the decoder of a model that runs them itself (T5). `values` is by path.
    """

    def __init__(self, clone: nn.Module) -> None:
        self.values: dict[str, Any] = {}
        self._handles = [
            module.register_forward_hook(partial(self._keep, path))
            for path, module in clone.named_modules()
            if isinstance(module, PreTrainedModel) and module is not clone
        ]

    def _keep(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(getattr(output, "last_hidden_state", None), Tensor):
            inside = [other for other in self.values if other.startswith(f"{path}.")]
            for other in inside:
                del self.values[other]
            self.values[path] = _light(output)

    def close(self) -> None:
        """Stop catching."""
        for handle in self._handles:
            handle.remove()


class StepsOutput(BaseOutput):
    """The same over a run of several passes with a cache: the hidden states of each are put after those before."""

    def __init__(self, clone: nn.Module) -> None:
        self._states: dict[str, list[Tensor]] = {}
        super().__init__(clone)

    def _keep(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        super()._keep(path, _module, _args, output)
        states = getattr(output, "last_hidden_state", None)
        if isinstance(states, Tensor):
            once_more = states.shape[1] > 1  # all positions again, in a model without a cache
            self._states[path] = [states] if once_more else [*self._states.get(path, []), states]

    def close(self) -> None:
        """Stop catching, and put the steps together."""
        super().close()
        for path, value in self.values.items():
            self.values[path] = type(value)(**{**value, "last_hidden_state": torch.cat(self._states[path], dim=1)})
        self._states.clear()


def _light(output: Any) -> Any:
    """An output without what is not needed to go on from it."""
    return type(output)(**{name: value for name, value in output.items() if name not in _HEAVY})


def lazy_logits(
    model: nn.Module, inputs: Mapping[str, Any], base: BaseOutput, last: Tensor | None
) -> Callable[[], Tensor] | None:
    """A function that gives the logits [token, vocab] (or [label] for a classifier), or None where there are none.

    `last` are the logits of the last position as the pass itself gave them: the recomputed ones must agree.
    """
    saved = base.values
    if not saved or last is None:
        return None

    def compute() -> Tensor:
        with prepared(model, None) as clone, torch.no_grad():
            stubbed = [(clone.get_submodule(path), value) for path, value in saved.items()]
            for inner, value in stubbed:
                inner.forward = lambda *_args, _value=value, **_kwargs: _value
            try:
                output = clone(**inputs, **pass_options(clone))
            finally:
                for inner, _ in stubbed:
                    del inner.forward
        logits = output.logits[0].float().cpu()
        final = logits[-1] if logits.ndim == 2 else logits
        error = relative(last, final)
        if not error <= tolerance_of(output.logits.dtype):
            raise UnsupportedError(
                f"The logits recomputed from the final hidden states differ from the pass's own by {error:.2g}, so they are "
                f"not given for {type(model).__name__}."
            )
        return logits

    return compute
