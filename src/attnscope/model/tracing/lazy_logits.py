"""Compute a model's logits on demand, from the final hidden states of a finished pass.

At 8,192 tokens the logits of a small model take 1.6 GB, so a trace does not store them. It stores the output of the base model,
and runs the rest of the model (projection, caps, scales, classifier) when the logits are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from attnscope.capture import CACHES, pass_options, prepared
from attnscope.errors import UnsupportedError
from attnscope.model.hf.hidden_states import relative
from attnscope.trace import LogitsAt
from attnscope.trace.certificate import tolerance_of

_HEAVY = frozenset(
    {
        "hidden_states", "attentions", *CACHES, "cross_attentions",
        "encoder_hidden_states", "encoder_attentions", "decoder_hidden_states", "decoder_attentions",
    }
)  # fmt: skip


class BaseOutput:
    """Hooks that record the output of the outermost models inside a clone: everything up to the prediction head.

    That is the base model, or the encoder and the decoder of a model that runs them itself (T5). `values` maps paths to
    outputs.
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

    def of_row(self, row: int, rows: int) -> dict[str, Any]:
        """The outputs for one row of a batch of `rows`, without the memory of the others."""
        return {path: output_of_row(value, row, rows) for path, value in self.values.items()}

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


class StepsOutput(BaseOutput):
    """The same for a run of several passes with a cache: the hidden states of all steps are joined."""

    def __init__(self, clone: nn.Module) -> None:
        self._states: dict[str, list[Tensor]] = {}
        super().__init__(clone)

    def _keep(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        super()._keep(path, _module, _args, output)
        states = getattr(output, "last_hidden_state", None)
        if isinstance(states, Tensor):
            all_positions = states.shape[1] > 1  # a model without a cache computes all positions again
            self._states[path] = [states] if all_positions else [*self._states.get(path, []), states]

    def close(self) -> None:
        """Remove the hooks and join the steps."""
        super().close()
        for path, value in self.values.items():
            self.values[path] = type(value)(**{**value, "last_hidden_state": torch.cat(self._states[path], dim=1)})
        self._states.clear()


def output_of_row(output: Any, row: int, rows: int) -> Any:
    """A model output for one row of a batch of `rows`. Raises `UnsupportedError` for a tensor that has no such row."""
    found: dict[str, Any] = {}
    for name, value in output.items():
        if isinstance(value, Tensor) and value.shape[:1] != (rows,):
            raise UnsupportedError(f"`{name}` in the output of a batch of {rows} has the shape {tuple(value.shape)}.")
        found[name] = value[row : row + 1].clone() if isinstance(value, Tensor) else value
    return type(output)(**found)


def _light(output: Any) -> Any:
    """An output without the parts that the rest of the model does not need."""
    return type(output)(**{name: value for name, value in output.items() if name not in _HEAVY})


def lazy_logits(
    model: nn.Module, inputs: Mapping[str, Any], saved: Mapping[str, Any], last: Tensor | None
) -> LogitsAt | None:
    """A function that returns the logits [token, vocab] (or [label] for a classifier); None if there are none.

    It takes the positions whose logits are wanted, or None for all; others are not computed if the model can skip them.

    `saved` are the outputs of the base models in the pass, by path, and `last` the pass's own logits at the last position; the
    function raises `UnsupportedError` if the recomputed ones differ.
    """
    if not saved or last is None:
        return None
    device = next(iter(inputs.values())).device

    def compute(positions: Sequence[int] | None = None) -> Tensor:
        wanted = None if positions is None else [*positions, -1]  # the last one is compared
        with prepared(model, None) as clone, torch.no_grad():
            stubbed = [(clone.get_submodule(path), value) for path, value in saved.items()]
            for inner, value in stubbed:
                inner.forward = lambda *_args, _value=value, **_kwargs: _value
            try:
                kept = {} if wanted is None else {"logits_to_keep": torch.tensor(wanted, device=device)}
                options = pass_options(clone, **kept)
                output = clone(**inputs, **options)
            finally:
                for inner, _ in stubbed:
                    del inner.forward
        found = output.logits[0]
        if wanted is not None and found.ndim == 2 and "logits_to_keep" not in options:
            found = found[wanted]
        logits = found.float().cpu()
        final = logits[-1] if logits.ndim == 2 else logits
        error = relative(last, final)
        if not error <= tolerance_of(output.logits.dtype):
            raise UnsupportedError(
                f"The logits that attnscope recomputes for {type(model).__name__} differ from the model's own by "
                f"{error:.2g}, so they are not available."
            )
        return logits if positions is None or logits.ndim < 2 else logits[:-1]

    return compute
