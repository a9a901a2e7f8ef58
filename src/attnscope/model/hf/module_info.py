"""What one wants to know of a model as a module: its dtype, its device, its vocabularies, what its forward takes."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from attnscope.trace.certificate import tolerance_of


def first_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the first floating-point parameter."""
    return next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)


def input_device(model: nn.Module) -> torch.device:
    """Where a model wants its inputs: where its first weight is, or where accelerate brings it for the pass."""
    for module in model.modules():
        hook = getattr(module, "_hf_hook", None)
        execution = getattr(hook, "execution_device", None)
        if execution is not None:
            return torch.device(execution)
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether the model reads a source with an encoder and writes a target with a decoder that looks at it."""
    if not getattr(model.config, "is_encoder_decoder", False):
        return False
    names = inspect.signature(model.forward).parameters  # the config of a whole model may be that of its decoder alone
    return "decoder_input_ids" in names or "input_ids" not in names


def vocabulary_size(model: nn.Module) -> int | None:
    """How many token ids the model has an embedding for; None where it has no table of them (characters, hashes)."""
    try:
        embeddings: Any = model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
    except (AttributeError, NotImplementedError):
        return None
    return getattr(embeddings, "num_embeddings", None)


def target_vocabulary_size(model: nn.Module) -> int | None:
    """`vocabulary_size` of an encoder-decoder model's target side."""
    try:
        decoder: Any = model.get_decoder()  # pyright: ignore[reportCallIssue]
    except (AttributeError, NotImplementedError):
        return vocabulary_size(model)
    return vocabulary_size(decoder) if isinstance(decoder, nn.Module) else vocabulary_size(model)


def tolerance_for(model: nn.Module) -> float:
    """Largest error that rounding alone explains in the dtype of a model's weights."""
    return tolerance_of(first_dtype(model))
