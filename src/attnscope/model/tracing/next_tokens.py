"""What a model would write next after an input.

A causal model predicts it at the last position. Some models generate text although their attention is bidirectional (the prefix
of PaliGemma, the images of Gemma 3, BERT with a language modeling head); they predict at the last position too, unless their own
`generate` appends a token to predict from (XLM, XLNet). What `generate` would run is asked of `generate` itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin

from attnscope.capture import prepared, run_untouched
from attnscope.model.hf.module_info import target_vocabulary_size
from attnscope.model.hf.verbosity import quiet


class _FirstStepError(Exception):
    """Raised before the first step of a generation, with its arguments."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments


def can_generate(module: nn.Module) -> bool:
    """Whether a model can generate text: it has `generate`, and a head that predicts the next token."""
    can: Any = getattr(module, "can_generate", None)
    return callable(getattr(module, "generate", None)) and (not callable(can) or bool(can()))


def predicts_at_end(module: nn.Module, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the first step of a generation from `inputs` reads just these tokens, so that it predicts at the last of them."""
    first = _first_step(module, inputs)
    ids, own = first.get("input_ids"), inputs.get("input_ids")
    return ids is None or (own is not None and torch.equal(ids, own))


def next_logits(
    module: nn.Module, inputs: Mapping[str, Tensor], logits: Tensor | None, stacks: Collection[str], *, edited: bool
) -> Tensor | None:
    """The logits [vocab] of the token that would follow `inputs`; None if the model writes nothing.

    `logits` [1, tokens, vocab] are those of a pass on `inputs`, and `stacks` the names of its stacks. An edited pass has no
    next token if the model's own `generate` would read other tokens than these.
    """
    if logits is None or logits.ndim != 3:
        return None
    if logits.shape[-1] < _vocabulary(module):  # labels of tokens, not token predictions
        return None
    if "decoder" in stacks:
        return logits[0, -1]
    if not can_generate(module) or "input_ids" not in inputs:
        return None
    if predicts_at_end(module, inputs):
        return logits[0, -1]
    return None if edited else run_untouched(module, _first_step(module, inputs)).logits[0, -1]


def _vocabulary(module: nn.Module) -> int:
    """The number of tokens; some models (CPM-Ant) have more embeddings than that."""
    config: Any = module.config
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    stated, embeddings = getattr(text, "vocab_size", None), target_vocabulary_size(module) or 0
    return min(stated, embeddings) if isinstance(stated, int) else embeddings


def _first_step(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of the first pass of a generation from `inputs`, found by starting one; empty if it does not start."""

    def stop(_module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        raise _FirstStepError({name: value for name, value in kwargs.items() if isinstance(value, Tensor)})

    with prepared(module, None) as clone, torch.no_grad(), quiet():
        writers = [one for one in clone.modules() if one is clone or isinstance(one, GenerationMixin)]
        handles = [one.register_forward_pre_hook(stop, with_kwargs=True) for one in writers]
        writer: Any = clone
        try:
            writer.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=1)
        except _FirstStepError as first:
            return first.arguments
        finally:
            for handle in handles:
                handle.remove()
    return {}
