"""Attention that a model reports itself, where it does not go through transformers' attention interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from attnscope.capture import run_untouched
from attnscope.errors import UnsupportedError
from attnscope.model.hf.hidden_states import hidden_difference
from attnscope.model.hf.module_info import is_encoder_decoder, tolerance_for

Weights = list[Tensor | None]
"""[heads, queries, keys] of every layer; None for a layer without attention."""

ACROSS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
"""What the outputs of encoder-decoder models call the attention of each stack."""


def reported_weights(
    model: nn.Module,
    inputs: Mapping[str, Any],
    untouched: Any,
    stacks: Collection[str] = (),
) -> tuple[dict[str, Weights], float | None, tuple[str, ...]]:
    """The weights that a model's own eager implementation reports, by stack and layer, part (a) for them, and notes.

    Part (a) is the difference of that pass's hidden states from those of `untouched`, the output of an untouched pass.
    `stacks` are those that are asked for (all); the only stack of a model is otherwise named after where it looks. Notes say
    why a stack of several is not shown.

    Raises `UnsupportedError` where the model reports nothing that can be shown, or computes something else while it reports.
    """
    output = run_untouched(model, inputs, implementation="eager", output_hidden_states=True, output_attentions=True)
    found = eager_weights(output, encoder_decoder=is_encoder_decoder(model))
    if stacks:
        found = {stack: layers for stack, layers in found.items() if not stack or stack in stacks}
    if not any(one is not None for layers in found.values() for one in layers):
        raise UnsupportedError(
            f"{type(model).__name__} neither goes through transformers' attention interface nor reports weights as `attentions`, "
            "so there is nothing that could be shown."
        )
    error = hidden_difference(untouched, output)
    if error is not None and not error <= tolerance_for(model):
        raise UnsupportedError(
            f"{type(model).__name__} computes something else while it reports its attention weights (its hidden states "
            f"differ by {error:.2g}), so they are not shown."
        )
    checked: dict[str, Weights] = {}
    refusals: list[UnsupportedError] = []
    for stack, layers in found.items():
        size = _size(stack, inputs)
        try:
            weights: Weights = [None if one is None else _token_by_token(model, one, size) for one in layers]
        except UnsupportedError as refused:
            refusals.append(
                refused if not stack else UnsupportedError(f"The {stack} attention is not shown. {refused}")
            )
            continue
        checked[stack or next(iter(stacks), None) or ("decoder" if _looks_back(weights) else "encoder")] = weights
    if refusals and not checked:
        raise refusals[0]
    return checked, error, tuple(map(str, refusals))


def eager_weights(output: Any, *, encoder_decoder: bool) -> dict[str, Sequence[Tensor | None]]:
    """What an output holds of attention, by stack; the stack of a model that has only one is named ""."""
    names = ACROSS if encoder_decoder else {"": "attentions"}
    found = {stack: getattr(output, name, None) for stack, name in names.items()}
    return {stack: tuple(layers) for stack, layers in found.items() if layers}


def _size(stack: str, inputs: Mapping[str, Any]) -> tuple[int, int] | None:
    if not stack:
        return (inputs["input_ids"].shape[1],) * 2 if "input_ids" in inputs else None
    if "input_ids" not in inputs:
        return None
    source, target = (inputs[name].shape[1] for name in ("input_ids", "decoder_input_ids"))
    return {"encoder": (source, source), "decoder": (target, target), "cross": (target, source)}[stack]


def _looks_back(weights: Weights) -> bool:
    return all(not bool(one.triu(1).any()) for one in weights if one is not None)


def _token_by_token(model: nn.Module, reported: Any, size: tuple[int, int] | None) -> Tensor:
    """What a model reports for one layer as weights [heads, queries, keys]. Raises `UnsupportedError` where it is something else.

    Sparse, pooled and hashed attention is reported by offset, block or bucket: no matrix of tokens by tokens.
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
            f"{type(model).__name__} reports attention of shape {shape} for {length} tokens, which are no weights of every token "
            "for every token, so it is not shown."
        )
    weights = reported[0].float().cpu()
    slack = tolerance_for(model)
    if not bool((weights >= -slack).all() and (weights.sum(-1) <= 1 + slack).all()):
        raise UnsupportedError(
            f"{type(model).__name__} reports attention whose rows are no distributions over the tokens, so it is not shown."
        )
    return weights
