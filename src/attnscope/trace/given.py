"""A trace of attention weights that somebody else computed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attnscope.attention import LayerRecord, WeightsRecord
from attnscope.errors import InputError
from attnscope.trace.certificate import Certificate
from attnscope.trace.trace import Trace, TracedStack
from attnscope.types import Token

SENTENCE = "These weights were given as they are; there was no model to check them against."


def from_attention(
    attentions: Sequence[Any], tokens: Sequence[str], sentence_b_start: int | None, *, partial_rows: bool
) -> Trace:
    """See `Trace.from_attention`."""
    texts = list(tokens)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError("`tokens` is a list of the tokens' texts, one for each position, and not empty.")
    if isinstance(attentions, (Tensor, np.ndarray)) and attentions.ndim < 4:
        raise InputError("`attentions` holds one array for each layer; got a single array. Put it into a list.")
    layers = list(attentions)
    if not layers or all(layer is None for layer in layers):
        raise InputError(
            "There is no attention in `attentions`. With transformers, call the model with `output_attentions=True` and its "
            "eager attention implementation, and pass `outputs.attentions`."
        )
    if sentence_b_start is not None and not 0 < sentence_b_start < len(texts):
        raise InputError(f"`sentence_b_start` lies between 1 and {len(texts) - 1}; got {sentence_b_start}.")
    records = [
        None if layer is None else WeightsRecord(_weights(layer, index, len(texts), partial_rows=partial_rows))
        for index, layer in enumerate(layers)
    ]
    present = [record.weights for record in records if record is not None]
    causal = len(texts) > 1 and all(not bool(one.triu(1).any()) for one in present)
    return Trace(
        sides={"text": [_token(text, i, sentence_b_start) for i, text in enumerate(texts)]},
        stacks={"decoder" if causal else "encoder": TracedStack(list[LayerRecord | None](records), causal=causal)},
        certificate=Certificate(ok=False, max_error=0.0, tolerance=0.0, scope="sampled", sentence=SENTENCE, stacks={}),
        provenance={
            "model": None,
            "title": "given attention",
            "dtype": "float32",
            "versions": {"attnscope": version("attnscope")},
            "edits": [],
        },
        warnings=[SENTENCE],
    )


def _token(text: str, position: int, sentence_b_start: int | None) -> Token:
    if sentence_b_start is None:
        return Token(text=text, id=-1)
    return Token(text=text, id=-1, sentence="B" if position >= sentence_b_start else "A")


def _weights(layer: Any, index: int, tokens: int, *, partial_rows: bool) -> Tensor:
    try:
        given = layer.detach() if isinstance(layer, Tensor) else torch.as_tensor(np.asarray(layer))
    except (TypeError, ValueError) as error:
        raise InputError(f"Layer {index} of `attentions` is no array of numbers ({type(layer).__name__}).") from error
    if given.ndim == 4 and given.shape[0] != 1:
        raise InputError(f"Layer {index} of `attentions` is a batch of {given.shape[0]}; a trace is of one input.")
    weights = given[0] if given.ndim == 4 else given
    if weights.ndim != 3 or not weights.is_floating_point():
        raise InputError(
            f"Layer {index} of `attentions` has shape {tuple(given.shape)} and type {given.dtype}; expected floats of shape "
            "[1, heads, tokens, tokens] or [heads, tokens, tokens]."
        )
    if weights.shape[0] == 0 or tuple(weights.shape[1:]) != (tokens, tokens):
        raise InputError(
            f"Layer {index} of `attentions` has shape {tuple(given.shape)}, and there are {tokens} tokens: the last two sizes "
            f"must both be {tokens}, one for each token."
        )
    tolerance = 1e-3 if weights.dtype in (torch.float32, torch.float64) else 3e-2
    weights = weights.float().cpu().contiguous()
    if not bool(weights.isfinite().all()):
        raise InputError(f"Layer {index} of `attentions` holds NaN or infinity, so it cannot be attention weights.")
    sums = weights.sum(-1)
    below = bool(((sums < 1 - tolerance) & (sums.abs() > 0)).any())
    if float(weights.min()) < -tolerance or float(sums.max()) > 1 + tolerance or (below and not partial_rows):
        head, row = divmod(int((sums - 1).abs().argmax()), tokens)
        raise InputError(
            f"Rows of attention are distributions, and in layer {index}, head {head}, row {row} sums to "
            f"{float(sums[head, row]):.4g}. Pass the weights after the softmax, from a model in eval mode (no dropout); for a "
            "model with learned sinks pass `partial_rows=True`."
        )
    return weights.clamp(0, 1)
