"""What a sweep is asked to do, checked against the model before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from attnscope.errors import InputError
from attnscope.model.patching.sweep import METRICS, WHAT, By, Metric, What
from attnscope.model.residual_stream.answer import Answer, index_in
from attnscope.model.residual_stream.stream import Stream
from attnscope.trace import Trace


@dataclass(frozen=True)
class SweepPlan:
    """What is swept. `positions` and `heads` bound a patch where they are no axis of their own (None: all)."""

    what: What
    by: By
    stack: str
    metric: Metric
    layers: tuple[int, ...]
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    positions: tuple[int, ...]
    heads: tuple[int, ...] | None
    answer: Answer


@dataclass(frozen=True)
class SweepQuestion:
    """What is asked of a sweep, as `Model.patch` takes it: unchecked."""

    what: str = "output"
    by: str | None = None
    metric: str | None = None
    answer: str | int | None = None
    foil: str | int | None = None
    position: int | None = None
    stack: str | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    positions: Sequence[int] | None = None


def plan_of(clean: Trace, trace: Trace, stream: Stream, answer: Answer, question: SweepQuestion) -> SweepPlan:
    """The plan of a sweep from `clean` into `trace`, which line up. Raises `InputError`, one sentence each."""
    kind = cast("What", _one_of(question.what, "what", WHAT))
    of_heads = kind in ("output", "attention")
    axis = cast("By", _one_of(question.by or ("head" if of_heads else "position"), "by", get_args(By)))
    chosen = cast(
        "Metric", _one_of(question.metric or ("probability" if answer.foil is None else "logit"), "metric", METRICS)
    )
    if chosen == "ratio" and answer.foil is None:
        raise InputError("The metric `ratio` is p(answer) / p(foil): name a foil.")
    if not of_heads and (axis == "head" or question.heads is not None):
        raise InputError(
            f"What is patched is {kind!r}, which no head has of its own: leave out heads, and sweep by position."
        )
    name = _stack(trace, stream, question.stack, of_heads=of_heads)
    tokens = trace.tokens_for(name)[0]
    depth = len(trace.traced_stack(name).records) if of_heads else len(stream.towers[name])
    at = _indices(question.positions, "position", len(tokens))
    among = _indices(question.heads, "head", trace.stacks[name].heads) if of_heads else ()
    columns = {"head": among, "position": at, "layer": (0,)}[axis]
    labels = sources = tuple(str(column) for column in columns)
    if axis == "position":
        labels = tuple(tokens[position].text for position in columns)
        sources = tuple(clean.tokens_for(name)[0][position].text for position in columns)
    return SweepPlan(
        what=kind,
        by=axis,
        stack=name,
        metric=chosen,
        layers=_indices(question.layers, "layer", depth),
        columns=columns,
        labels=labels,
        sources=sources,
        positions=at,
        heads=None if question.heads is None else among,
        answer=answer,
    )


def _stack(trace: Trace, stream: Stream, stack: str | None, *, of_heads: bool) -> str:
    names = tuple(trace.stacks) if of_heads else tuple(stream.towers)
    if stack is None:
        return names[0] if len(names) == 1 else "decoder"
    if stack not in names:
        raise InputError(f"There is no stack {stack!r} to patch; there is {', '.join(names)}.")
    return stack


def _indices(given: Sequence[int] | None, what: str, size: int) -> tuple[int, ...]:
    if given is None:
        return tuple(range(size))
    if not hasattr(given, "__iter__"):
        raise InputError(f"`{what}s` is a list of them; got {given!r}.")
    found = [index_in(one, size) for one in given]
    if None in found:
        raise InputError(f"There is no {what} {list(given)[found.index(None)]!r}: they go from 0 to {size - 1}.")
    if not found:
        raise InputError(f"Name at least one {what}.")
    if len(set(found)) != len(found):
        raise InputError(f"A {what} is named twice: {found}.")
    return tuple(one for one in found if one is not None)


def _one_of(given: str, name: str, known: Sequence[str] | dict[Metric, str]) -> str:
    if given not in known:
        raise InputError(f"`{name}` is one of {', '.join(known)}; got {given!r}.")
    return given
