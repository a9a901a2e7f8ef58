"""Check that what a user passes as a model is a transformers model, and say what to pass where it isn't."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from attnscope.errors import InputError


def check_transformers_model(hf_model: Any) -> None:
    """Raise `InputError` unless `hf_model` is a module with a transformers config."""
    if isinstance(hf_model, nn.Module) and isinstance(getattr(hf_model, "config", None), PreTrainedConfig):
        return
    raise InputError(f"`hf_model` must be a transformers model; got {type(hf_model).__name__}. {_what_to_do(hf_model)}")


def has_adapter(hf_model: nn.Module) -> bool:
    """Whether PEFT wraps a model."""
    return hasattr(getattr(hf_model, "_orig_mod", hf_model), "peft_config")


def running_module(hf_model: nn.Module) -> nn.Module:
    """What runs for a model: the module that `torch.compile` wraps, or the transformers model that PEFT put adapters into.

    PEFT's wrapper stays where its own forward method computes: with virtual tokens, or adapters that depend on the input.
    """
    module: Any = getattr(hf_model, "_orig_mod", hf_model)
    config: Any = getattr(module, "active_peft_config", None) if hasattr(module, "peft_config") else None
    if config is None or not hasattr(module, "get_base_model"):
        return module
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    depends = config.is_prompt_learning or getattr(config, "alora_invocation_tokens", None) or kind in ("POLY", "XLORA")
    return module if depends else module.get_base_model()


def _what_to_do(hf_model: Any) -> str:
    if isinstance(hf_model, str):
        return f"To load a model by name, call `attnscope.load({hf_model!r})`."
    if not isinstance(hf_model, nn.Module):
        if isinstance(getattr(hf_model, "model", None), nn.Module):  # a pipeline, or a trainer
            return "Pass its `.model` and its `.tokenizer`."
        return "To load a model by name, call `attnscope.load`."
    original = getattr(hf_model, "_orig_mod", hf_model)
    path = next((name for name, module in original.named_modules() if isinstance(module, PreTrainedModel)), None)
    if path is not None:  # DataParallel, DistributedDataParallel, SentenceTransformer
        names = path.split(".")
        inside = f"`.{path}`" if all(name.isidentifier() for name in names) else f"`.get_submodule({path!r})`"
        return f"Pass the transformers model inside it: its {inside}."
    return (
        "To show the attention of another module, pass its weights and the tokens to `Trace.from_attention` "
        "(`nn.MultiheadAttention` returns the weights of each head with `average_attn_weights=False`)."
    )
