"""Attention weights that a model reports itself, for models that do not use transformers' attention interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from attnscope.capture import run_untouched
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.replaced_attention import replaced_attention
from attnscope.model.hf.hidden_states import hidden_difference
from attnscope.model.hf.module_info import implementation_of, is_encoder_decoder, tolerance_for

Weights = list[Tensor | None]
"""[heads, queries, keys] for each layer; None for a layer without attention."""

OUTPUT_NAMES = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
"""The names of each stack's attention in the outputs of encoder-decoder models."""


def reported_weights(
    model: nn.Module,
    inputs: Mapping[str, Any],
    untouched: Any,
    stacks: Collection[str] = (),
) -> tuple[dict[str, Weights], float | None, tuple[str, ...]]:
    """The weights that a model's own eager implementation reports, by stack and layer, with their error and notes.

    The error is part (a) of the certificate: the difference between the hidden states of the reporting pass and those of
    `untouched`, the output of an untouched pass. `stacks` limits the result to these stacks (empty: all); the only stack of a
    model is otherwise named by whether its attention is causal. The notes say why a stack is not shown if others are.

    Raises `UnsupportedError` if the model reports nothing that can be shown, or if it computes something else while reporting.
    """
    output = run_untouched(model, inputs, implementation="eager", output_hidden_states=True, output_attentions=True)
    found = eager_weights(output, encoder_decoder=is_encoder_decoder(model))
    if stacks:
        found = {stack: layers for stack, layers in found.items() if not stack or stack in stacks}
    if not any(one is not None for layers in found.values() for one in layers):
        replaced = replaced_attention(model)
        if replaced is not None:
            raise UnsupportedError(replaced)
        raise UnsupportedError(
            f"{type(model).__name__} does not use transformers' attention interface and reports no weights as "
            "`attentions`, so attnscope cannot show its attention."
        )
    error = hidden_difference(untouched, output)
    if error is not None and not error <= tolerance_for(model):
        raise UnsupportedError(
            f"{type(model).__name__} computes other hidden states with its eager attention than with "
            f"{implementation_of(model)!r} (they differ by {error:.2g}), and only its eager attention reports weights. To trace "
            "what it computes then, load the model with `attn_implementation='eager'`."
        )
    checked: dict[str, Weights] = {}
    errors: list[UnsupportedError] = []
    for stack, layers in found.items():
        size = _size(stack, inputs)
        try:
            weights: Weights = [None if one is None else _token_by_token(model, one, size) for one in layers]
        except UnsupportedError as unsupported:
            errors.append(
                unsupported if not stack else UnsupportedError(f"The {stack} attention cannot be shown. {unsupported}")
            )
            continue
        checked[stack or next(iter(stacks), None) or ("decoder" if _is_causal(weights) else "encoder")] = weights
    if errors and not checked:
        raise errors[0]
    return checked, error, tuple(map(str, errors))


def eager_weights(output: Any, *, encoder_decoder: bool) -> dict[str, Sequence[Tensor | None]]:
    """The attention weights in a model output, by stack. The stack of a model with only one is named ""."""
    names = OUTPUT_NAMES if encoder_decoder else {"": "attentions"}
    found = {stack: getattr(output, name, None) for stack, name in names.items()}
    return {stack: tuple(layers) for stack, layers in found.items() if layers}


def _size(stack: str, inputs: Mapping[str, Any]) -> tuple[int, int] | None:
    if not stack:
        return (inputs["input_ids"].shape[1],) * 2 if "input_ids" in inputs else None
    if "input_ids" not in inputs:
        return None
    source, target = (inputs[name].shape[1] for name in ("input_ids", "decoder_input_ids"))
    return {"encoder": (source, source), "decoder": (target, target), "cross": (target, source)}[stack]


def _is_causal(weights: Weights) -> bool:
    return all(not bool(one.triu(1).any()) for one in weights if one is not None)


def _token_by_token(model: nn.Module, reported: Any, size: tuple[int, int] | None) -> Tensor:
    """Return the weights [heads, queries, keys] that a model reports for one layer.

    Raises `UnsupportedError` if the report is something else: sparse, pooled and hashed attention is reported by offset, block
    or bucket, not as a matrix of tokens by tokens.
    """
    shape = tuple(reported.shape) if isinstance(reported, Tensor) else type(reported).__name__
    square = isinstance(reported, Tensor) and reported.ndim == 4 and reported.shape[0] == 1
    size = (
        (reported.shape[2], reported.shape[3])
        if size is None and square and reported.shape[2] == reported.shape[3]
        else size
    )
    if not isinstance(reported, Tensor) or reported.ndim != 4 or tuple(reported.shape[2:]) != size:
        length = "this input's" if size is None else size[0] if size[0] == size[1] else f"{size[0]} and {size[1]}"
        raise UnsupportedError(
            f"{type(model).__name__} reports attention of shape {shape} for {length} tokens. That is not one "
            "weight per pair of tokens, so attnscope cannot show it."
        )
    weights = reported[0].float().cpu()
    slack = tolerance_for(model)
    if not bool((weights >= -slack).all() and (weights.sum(-1) <= 1 + slack).all()):
        raise UnsupportedError(
            f"{type(model).__name__} reports attention whose rows are not probability distributions over the "
            "tokens, so attnscope cannot show it."
        )
    return weights
