"""Facts about a model as a module: its dtype, its device, its vocabulary sizes, the arguments of its forward method."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from attnscope.capture import forward_parameters
from attnscope.trace.certificate import tolerance_of


def first_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the first floating-point parameter (float32 if there is none)."""
    return next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)


def input_device(model: nn.Module) -> torch.device:
    """The device on which a model expects its inputs: that of its first weight, or the one accelerate uses for the pass."""
    for module in model.modules():
        hook = getattr(module, "_hf_hook", None)
        execution = getattr(hook, "execution_device", None)
        if execution is not None:
            return torch.device(execution)
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether the model reads a source with an encoder and writes a target with a decoder that attends to the source."""
    if not getattr(model.config, "is_encoder_decoder", False):
        return False
    # a decoder-only part may share the config of the whole encoder-decoder model
    names = forward_parameters(model)
    return "decoder_input_ids" in names or "input_ids" not in names


def implementation_of(model: nn.Module) -> str:
    """The attention implementation of a model ("eager", "sdpa", …)."""
    return str(getattr(model.config, "_attn_implementation", None) or "eager")


def vocabulary_size(model: nn.Module) -> int | None:
    """The number of token ids that the model has embeddings for; None if it has no embedding table (characters, hashes)."""
    try:
        embeddings: Any = model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
    except (AttributeError, NotImplementedError):
        return None
    return getattr(embeddings, "num_embeddings", None)


def target_vocabulary_size(model: nn.Module) -> int | None:
    """`vocabulary_size` of the target side of an encoder-decoder model."""
    try:
        decoder: Any = model.get_decoder()  # pyright: ignore[reportCallIssue]
    except (AttributeError, NotImplementedError):
        return vocabulary_size(model)
    return vocabulary_size(decoder) if isinstance(decoder, nn.Module) else vocabulary_size(model)


def tolerance_for(model: nn.Module) -> float:
    """The largest relative error that rounding alone explains, for the dtype of a model's weights."""
    return tolerance_of(first_dtype(model))
