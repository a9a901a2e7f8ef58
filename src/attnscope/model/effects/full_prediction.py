"""`FullPrediction`: everything that a model may predict at one place of a trace, with the logit of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.errors import InputError, UnsupportedError
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.module_info import (
    first_dtype,
    is_encoder_decoder,
    target_vocabulary_size,
    vocabulary_size,
)
from attnscope.model.metrics.answer import index_in, position_of
from attnscope.model.metrics.continuation import Continuation, continuation_of
from attnscope.model.residual_stream.stream import last_tower
from attnscope.model.tracing.next_tokens import can_generate, predicts_at_end
from attnscope.model.tracing.predictions import DISCRIMINATED, FOLLOWS, Problem, label_names, problem_of
from attnscope.trace import Trace
from attnscope.types import Token

Predicted = Literal["token", "label", "token_label"]

Find = Callable[[object, str], Continuation]
"""Finds the tokens or the label of an answer as a user passes it; the second argument is "answer" or "foil"."""


@dataclass(frozen=True, eq=False)
class FullPrediction:
    """What a model predicts at one place of a trace, from `Model.prediction`.

    Attributes:
        of: What is predicted: `token`, `label` (of the whole input) or `token_label` (of the token at `position`).
        position: The position that predicts; None for the whole input.
        logits: The logit of every token or label, float64 [choice].
        problem: "one" if the choices exclude each other, "several" if several labels may apply, "number" for a regression.
        rounding: Differences of logits of this size are rounding in the dtype of the model.
        read: The text of a token or label, from its id.
        find: The tokens or the label of an answer, which is a text, an id or a list of ids.
    """

    of: Predicted
    position: int | None
    logits: Float[Tensor, "choice"]
    problem: Problem
    rounding: float
    read: Callable[[int], str]
    find: Find

    @cached_property
    def probabilities(self) -> Float[Tensor, "choice"] | None:
        """The probability of every choice, float64; they sum to 1 if the choices exclude each other. None for a regression."""
        if self.problem == "number":
            return None
        return self.logits.sigmoid() if self.problem == "several" else self.logits.softmax(-1)

    def rank(self, ident: int) -> int:
        """The rank of a choice by its logit: 1 is the largest. Equal logits share the better rank."""
        return 1 + int((self.logits > self.logits[ident]).sum())

    def top(self, count: int) -> list[int]:
        """The ids of the choices with the largest logits, in this order."""
        found: list[int] = self.logits.topk(min(count, len(self.logits))).indices.tolist()
        return found


def full_prediction(handle: ModelHandle, trace: Trace, position: Any = None) -> FullPrediction:
    """Implement `Model.prediction`. Raises `UnsupportedError` if the model predicts nothing here, `InputError` for a position."""
    handle = handle.tower_for(trace.inputs)
    module, of_label = handle.module, any(one.of == "label" for one in trace.predictions)
    name = last_tower(trace.stacks)
    tokens = trace.tokens_for(name)[0]
    at = None if of_label else _position(handle, trace, name, position)
    logits = trace.logits_at([0 if at is None else at])
    if logits is None:
        raise UnsupportedError(f"{handle.title} predicts no token and no label for this input.")
    if logits.ndim == 1 and of_label:
        follows = type(module).__name__.endswith("ForNextSentencePrediction")
        names = FOLLOWS if follows else label_names(module, len(logits))
        return _of_labels("label", None, logits, names, "one" if follows else problem_of(module, len(logits)), module)
    if at is not None and logits.ndim == 1 and len(logits) == len(tokens):
        both = torch.stack([torch.zeros(()), logits[at]])  # softmax of (0, x) is sigmoid(x)
        return _of_labels("token_label", at, both, DISCRIMINATED, "one", module)
    if at is None or logits.ndim == 1:
        raise UnsupportedError(f"{handle.title} predicts no token and no label for this input.")
    row = logits[0]
    target = is_encoder_decoder(module)
    vocabulary = target_vocabulary_size(module) if target else vocabulary_size(module)
    if vocabulary is None or len(row) < vocabulary:
        return _of_labels("token_label", at, row, label_names(module, len(row)), "one", module)
    read = handle.preprocessor.read_output

    def find(value: object, what: str) -> Continuation:
        return continuation_of(handle.tokenizer, value, what, len(row), read, target=target)

    return FullPrediction(
        "token", at, row.double(), "one", _rounding(row, module), lambda ident: read(ident).text, find
    )


def _position(handle: ModelHandle, trace: Trace, stack: str, position: Any) -> int:
    """The position that predicts: by default the last one, or the first mask token."""
    module = handle.module
    at_end = trace.traced_stack(stack).causal or (
        position is None and bool(trace.next_tokens) and can_generate(module) and predicts_at_end(module, trace.inputs)
    )
    masked = [one.position for one in trace.predictions if one.of == "token" and one.position is not None]
    if position is None and not at_end and masked:
        return masked[0]
    return position_of(position, trace.tokens_for(stack)[0], handle.tokenizer, causal=at_end)


def _of_labels(
    of: Predicted, at: int | None, logits: Tensor, names: tuple[str, ...], problem: Problem, module: nn.Module
) -> FullPrediction:
    def find(value: object, what: str) -> Continuation:
        return Continuation((_label(value, what, names),))

    rounding = _rounding(logits, module)
    return FullPrediction(of, at, logits.double(), problem, rounding, lambda ident: names[ident], find)


def _label(value: object, what: str, names: tuple[str, ...]) -> Token:
    """The label that is meant by its name, its id or a list of one id. Raises `InputError` for anything else."""
    one = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    index = names.index(one) if isinstance(one, str) and one in names else index_in(one, len(names))
    if index is None:
        known = ", ".join(map(repr, names[:10])) + (", …" if len(names) > 10 else "")
        raise InputError(f"The {what} {value!r:.80} is not a label of this model. Its labels are {known}.")
    return Token(names[index], index)


def _rounding(logits: Tensor, module: nn.Module) -> float:
    """The distance of neighboring numbers at the largest logit, in the dtype of the weights."""
    finite = logits[logits.isfinite()]
    return float(torch.finfo(first_dtype(module)).eps * finite.abs().max()) if finite.numel() else 0.0
