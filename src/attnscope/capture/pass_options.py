"""Arguments of a forward pass, filtered by what the model accepts."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

CACHES = ("cache", "past_key_values", "cache_params")
"""What transformers calls the cache among a model's arguments and outputs: since 5.24, before, and before in Mamba."""


def forward_parameters(model: nn.Module) -> dict[str, inspect.Parameter]:
    """The parameters of the forward method, by name.

    If the method was replaced by a function that takes whatever it gets, they are those of the method of the model's class.
    """
    found = dict(inspect.signature(model.forward).parameters)
    any_argument = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if "forward" in vars(model) and all(one.kind in any_argument for one in found.values()):
        found = dict(inspect.signature(type(model).forward).parameters)
        del found["self"]
    return found


def accepted(model: nn.Module, **options: Any) -> dict[str, Any]:
    """Return those of `options` that the model's forward method accepts."""
    names = forward_parameters(model)
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in names.values())
    general = {"output_attentions", "output_hidden_states", "return_dict"}
    return {name: value for name, value in options.items() if name in names or (open_ended and name in general)}


def pass_options(model: nn.Module, **more: Any) -> dict[str, Any]:
    """The arguments of every captured pass: no cache, a named output, and those of `more` that the forward method accepts."""
    return accepted(model, use_cache=False, return_dict=True, **more)
