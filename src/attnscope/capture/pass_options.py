"""The arguments of a pass that a model's forward knows."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

CACHES = ("cache", "past_key_values", "cache_params")
"""What transformers calls the cache among a model's arguments and outputs: since 5.24, before, and before in Mamba."""


def accepted(model: nn.Module, **options: Any) -> dict[str, Any]:
    """Those of `options` that the model's forward names."""
    names = inspect.signature(model.forward).parameters
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in names.values())
    general = {"output_attentions", "output_hidden_states", "return_dict"}
    return {name: value for name, value in options.items() if name in names or (open_ended and name in general)}


def pass_options(model: nn.Module, **more: Any) -> dict[str, Any]:
    """How every pass is run, as far as the forward knows it: without a cache, with a named output, and as `more` says."""
    return accepted(model, use_cache=False, return_dict=True, **more)
