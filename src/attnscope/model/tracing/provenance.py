"""Where a trace comes from, as JSON values: the model, its weights, the library versions, the input."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.handle import ModelHandle
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.trace import Trace


def provenance(
    model: ModelHandle,
    encoded: ModelInputs,
    inputs: Mapping[str, Tensor],
    edits: Sequence[Edit] = (),
    *,
    weights: str | None = None,
) -> dict[str, Any]:
    """The provenance of a trace of `encoded`: the model that made it, and the input and edits that it was made from.

    `weights` is the fingerprint of the model, if it is known already.
    """
    ids = {name: inputs[name][0].tolist() for name in ("input_ids", "decoder_input_ids") if name in inputs}
    return {
        **model_provenance(model, weights),
        "text": encoded.text,
        "pair": encoded.pair,
        **({"messages": encoded.messages} if encoded.messages else {}),
        **({"continue_final_message": True} if encoded.continue_final_message else {}),
        **({"target": encoded.target} if encoded.target_tokens is not None else {}),
        **ids,
        "edits": [edit.as_json() for edit in edits],
    }


def model_provenance(model: ModelHandle, weights: str | None = None) -> dict[str, Any]:
    """What identifies a model: its name, revision and weights, dtype, and the versions of the libraries that run it.

    `weights` is the fingerprint of its weights, if it is known already.
    """
    return {
        "model": model.name,
        "title": model.title,
        "class": type(model.module).__name__,
        "revision": model.revision,
        "weights": fingerprint(model.module) if weights is None else weights,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "parameters": model.parameters,
        "versions": {
            "attnscope": version("attnscope"),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def check_made_by(model: ModelHandle, trace: Trace) -> ModelHandle:
    """What runs for the inputs of a trace. Raises `InputError` if they are unknown, or if another model made the trace."""
    if not trace.inputs:
        raise InputError("This trace has no model inputs, so the model cannot run on it again. Pass the text instead.")
    tower = model.tower_for(trace.inputs)
    if trace.provenance.get("weights") != fingerprint(tower.module):
        raise InputError("This trace was made by a model with other weights than this one. Pass the text instead.")
    return tower


def fingerprint(model: nn.Module) -> str:
    """A hash of a model's weights: names, shapes, dtypes and up to 256 evenly spaced values of every parameter."""
    digest = hashlib.blake2b(digest_size=16)
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        if parameter.is_meta:  # offloaded: its values are stored elsewhere
            continue
        for part in _stored(parameter.detach()):
            flat = part.reshape(-1)
            sample = flat[:: max(1, flat.numel() // 256)]
            digest.update(sample.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _stored(tensor: Tensor) -> list[Tensor]:
    """The plain tensors that make up a tensor: itself, or what a quantized tensor stores (numbers, scales, …)."""
    flatten: Any = getattr(tensor, "__tensor_flatten__", None)
    return [tensor] if flatten is None else [one for name in flatten()[0] for one in _stored(getattr(tensor, name))]
