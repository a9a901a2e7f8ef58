"""The transformers model inside a PEFT wrapper as it is without its adapters. The wrapped model is not changed."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.capture import structural_clone
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.hf.transformers_model import has_adapter

_CHANGE_BASE = ("pissa", "olora", "corda", "loftq")
"""Ways to initialize LoRA that change the weights of the base model."""


def bare_model(hf_model: nn.Module) -> nn.Module:
    """A structural clone without the adapters, which shares the weights of the base model.

    Raises `InputError` for a model without an adapter, and `UnsupportedError` if the weights of the base model are not those
    from before the adapter: it was merged into them, or training it changed them.
    """
    if not has_adapter(hf_model):
        raise InputError(f"{type(hf_model).__name__} has no adapter. Pass a model that PEFT wraps.")
    wrapper: Any = getattr(hf_model, "_orig_mod", hf_model)
    base: Any = wrapper.get_base_model() if hasattr(wrapper, "get_base_model") else wrapper
    for config in wrapper.peft_config.values():
        _check_base_kept(config)
    if any(_of_peft(one) and getattr(one, "merged_adapters", None) for one in base.modules()):
        raise UnsupportedError(
            "The adapter is merged into the weights of the base model. Call `hf_model.unmerge_adapter()` first."
        )
    clone: Any = structural_clone(base)
    _strip(clone)
    if hasattr(clone, "peft_config"):  # adapters that transformers itself added
        vars(clone).pop("peft_config", None)
        clone._hf_peft_config_loaded = False
    return clone


def _check_base_kept(config: Any) -> None:
    """Raise `UnsupportedError` if an adapter with this config has changed the weights of its base model."""
    bias, start = getattr(config, "bias", "none"), getattr(config, "init_lora_weights", None)
    if isinstance(bias, str) and bias != "none":
        raise UnsupportedError(
            f"The adapter was trained with `bias={bias!r}`, which changes biases of the base model, so the model without it is "
            "unknown. Load the base model instead."
        )
    if isinstance(start, str) and start.startswith(_CHANGE_BASE):
        raise UnsupportedError(
            f"The adapter was initialized with {start!r:.40}, which changes weights of the base model, so the model without it "
            "is unknown. Load the base model instead."
        )


def _strip(module: nn.Module) -> None:
    """Put the layers that PEFT wrapped back in place of its own, everywhere inside a module."""
    for name, child in list(module.named_children()):
        bare = child
        while _of_peft(bare) and (inner := _inside(bare)) is not None:
            bare = inner
        if bare is not child:
            setattr(module, name, bare)
        _strip(bare)


def _inside(module: nn.Module) -> nn.Module | None:
    """The layer that a layer of PEFT wraps."""
    found = next(
        (one for name in ("base_layer", "original_module") if (one := getattr(module, name, None)) is not None), None
    )
    return found if isinstance(found, nn.Module) else None


def _of_peft(module: nn.Module) -> bool:
    return type(module).__module__.partition(".")[0] == "peft"
