"""The fake model's results for states and patching: small but real `States` and `Sweep` objects, seeded by the text."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from attnscope.errors import InputError
from attnscope.model.metrics.continuation import Continuation
from attnscope.model.patching.sweep import Sweep
from attnscope.model.residual_stream.logit_attribution import Contributions, Share
from attnscope.model.residual_stream.states import States
from attnscope.trace import Trace
from attnscope.types import Observer, Token

VOCABULARY = 11
Step = Callable[[int, Observer | None], None]


def fake_states(
    trace: Trace, layers: int, step: Step, answer: Any, foil: Any, position: int | None, observer: Observer | None
) -> States:
    """States with four numbers per token, a logit lens over a few words, one share of a head and one of an embedding."""
    stack = list(trace.stacks)[-1]
    tokens = len(trace.tokens_for(stack)[0])
    numbers = _numbers(trace.id)
    for layer in range(layers):
        step(layer, observer)
    stream = torch.randn(layers + 1, tokens, 4, generator=numbers)
    logits = torch.randn(layers + 1, tokens, VOCABULARY, generator=numbers)
    shares = (Share("embedding", None, None, None, 0.5), Share("head", 0, 1, stack, 0.25))
    at = tokens - 1 if position is None else position
    return States(
        trace,
        stack,
        list(stream),
        read=lambda ident: f" word{ident}",
        reading=lambda after: logits[after],
        contributions=Contributions(
            shares, 1.0, _continuation(answer), None if foil is None else _continuation(foil), at
        ),
        notes=["The fake model has no residual stream."],
    )


def fake_sweep(
    clean: str,
    corrupted: str,
    size: tuple[int, int],
    step: Step,
    *,
    stack: str,
    layers: Sequence[int] | None,
    answer: Any,
    foil: Any,
    observer: Observer | None,
) -> Sweep:
    """A sweep over every head of every layer. Patching a prompt with itself changes nothing."""
    if not set(clean.split()) & set(corrupted.split()) and len(clean.split()) != len(corrupted.split()):
        raise InputError("The prompts have no corresponding words, so nothing can be patched.")
    chosen = tuple(range(size[0]) if layers is None else layers)
    for layer in chosen:
        step(layer, observer)
    values = torch.rand(len(chosen), size[1], generator=_numbers(clean + corrupted), dtype=torch.float64)
    heads = tuple(range(size[1]))
    return Sweep(
        values=torch.full_like(values, 0.25) if clean == corrupted else values,
        unchanged=torch.full(values.shape, clean == corrupted),
        what="output",
        by="head",
        stack=stack,
        metric="logit",
        clean=0.25 if clean == corrupted else 0.75,
        corrupted=0.25,
        layers=chosen,
        columns=heads,
        labels=tuple(str(head) for head in heads),
        sources=tuple(str(head) for head in heads),
        answer=_continuation(answer),
        foil=None if foil is None else _continuation(foil),
        position=len(corrupted.split()) - 1,
        error=0.0,
    )


def _numbers(text: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(text.encode()))


def _continuation(answer: Any) -> Continuation:
    given = (
        [7] if isinstance(answer, str) else [answer or 0] if not isinstance(answer, list) else cast("list[int]", answer)
    )
    return Continuation(tuple(Token(answer if isinstance(answer, str) else f" word{one}", one) for one in given))
