"""The fake model's predictions, effects and controls: small but real objects, with numbers seeded by the tokens and the edits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

import torch

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.effects.control import Control
from attnscope.model.effects.control_kinds import NO_EDITS, ControlKind, ControlKinds
from attnscope.model.effects.effect import Effect
from attnscope.model.effects.full_prediction import FullPrediction
from attnscope.model.metrics.continuation import Continuation
from attnscope.trace import Trace
from attnscope.types import Token

VOCABULARY = 11


def fake_prediction(trace: Trace, position: int | None) -> FullPrediction:
    """A prediction of one of a few words, by default at the last position."""
    tokens = trace.tokens_for(list(trace.stacks)[-1])[0]
    at = len(tokens) - 1 if position is None else position
    if not 0 <= at < len(tokens):
        raise InputError(f"Position {at} does not exist: positions are 0 to {len(tokens) - 1}.")
    logits = torch.randn(VOCABULARY, generator=_numbers(trace, at), dtype=torch.float64)
    return FullPrediction("token", at, logits, "one", 1e-6, lambda ident: f" word{ident}", _found)


def fake_effect(
    trace: Trace,
    edits: Sequence[Edit] | None,
    metric: str | None,
    answer: Any,
    foil: Any,
    position: int | None,
    top: int,
) -> Effect:
    """An effect with numbers between 0 and 1."""
    made = tuple(trace.edits if edits is None else edits)
    at = len(trace.tokens_for(list(trace.stacks)[-1])[0]) - 1 if position is None else position
    before, after = torch.rand(2, generator=_numbers(trace, at), dtype=torch.float64).tolist()
    likely = [(f" word{ident}", ident, 0.5**ident) for ident in range(1, top + 1)]
    return Effect(
        made, before, after, metric or "log_probability", _text(answer), _text(foil), at, likely, likely, warnings=()
    )


def fake_control(
    trace: Trace,
    edits: Sequence[Edit] | None,
    done: int,
    total: int,
    metric: str | None,
    answer: Any,
    foil: Any,
    position: int | None,
    seed: int,
    tokens: Sequence[int],
) -> Control:
    """A control of which `done` draws are finished. Raises `InputError` without edits of heads."""
    made = tuple(trace.edits if edits is None else edits)
    layer, heads = _edited(made, total + 1)
    others = [head for head in range(total + 1) if head not in heads][:done]
    effect = fake_effect(trace, made, metric, answer, foil, position, 0)
    numbers = torch.rand(
        total, 1 + len(tokens), generator=torch.Generator().manual_seed(seed % 2**32), dtype=torch.float64
    )
    return Control(
        edits=made,
        over="heads",
        before=effect.before,
        after=effect.after,
        values=numbers[: len(others), 0],
        variants=tuple(made for _ in others),
        where=tuple(f"{layer}.{head}" for head in others),
        metric=effect.metric,
        answer=effect.answer or " word1",
        foil=effect.foil,
        position=effect.position,
        seed=seed,
        error=0.0,
        total=total,
        tokens=tuple(tokens),
        probabilities=numbers[: len(others), 1:],
    )


def fake_control_kinds(edits: Sequence[Edit], heads: int) -> ControlKinds:
    """The other heads of the layer of the first edit."""
    if not edits:
        return ControlKinds((), NO_EDITS)
    layer, _ = _edited(edits, heads)
    kind = ControlKind("heads", heads - 1, every=True, words=f"{heads - 1} other heads of layer {layer}")
    return ControlKinds((kind,), None)


def _edited(edits: Sequence[Edit], heads: int) -> tuple[int, set[int]]:
    found = {getattr(edit, "head", heads) for edit in edits[:1]}
    if not found:
        raise InputError("There are no edits to control for. Pass at least one.")
    return edits[0].layer, found


def _numbers(trace: Trace, at: int) -> torch.Generator:
    sides = {name: [token.id for token in side] for name, side in trace.sides.items()}
    said = json.dumps([sides, [edit.as_json() for edit in trace.edits], at], sort_keys=True)
    return torch.Generator().manual_seed(zlib.crc32(said.encode()))


def _found(value: object, what: str) -> Continuation:
    several = value if isinstance(value, (list, tuple)) else [value]
    ids = [zlib.crc32(one.encode()) % VOCABULARY if isinstance(one, str) else one for one in several]
    for one in ids:
        if not isinstance(one, int) or not 0 <= one < VOCABULARY:
            raise InputError(f"The {what} {one!r:.80} is not a token id of this model: ids are 0 to {VOCABULARY - 1}.")
    return Continuation(tuple(Token(f" word{one}", one) for one in ids if isinstance(one, int)))


def _text(answer: Any) -> str | None:
    return None if answer is None else answer if isinstance(answer, str) else f" word{answer}"
