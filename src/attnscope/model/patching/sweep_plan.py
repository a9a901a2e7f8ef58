"""What a sweep runs, validated against the model beforehand."""

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
    """What is swept. `positions` and `heads` limit a patch where they are not the columns (None: all)."""

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
    """The arguments of `Model.patch`, not yet validated."""

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
    """The plan of a sweep from `clean` into `trace`, two aligned prompts. Raises `InputError`."""
    kind = cast("What", _one_of(question.what, "what", WHAT))
    of_heads = kind in ("output", "attention")
    axis = cast("By", _one_of(question.by or ("head" if of_heads else "position"), "by", get_args(By)))
    chosen = cast(
        "Metric", _one_of(question.metric or ("probability" if answer.foil is None else "logit"), "metric", METRICS)
    )
    if chosen == "ratio" and answer.foil is None:
        raise InputError("The metric `ratio` is p(answer) / p(foil). Pass `foil`.")
    if not of_heads and (axis == "head" or question.heads is not None):
        raise InputError(
            f"`what` is {kind!r}, which is not separate for each head. Omit `heads`, and sweep by position or layer."
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
        raise InputError(f"The stack {stack!r} cannot be patched; available: {', '.join(names)}.")
    return stack


def _indices(given: Sequence[int] | None, what: str, size: int) -> tuple[int, ...]:
    if given is None:
        return tuple(range(size))
    if not hasattr(given, "__iter__"):
        raise InputError(f"`{what}s` must be a list of whole numbers; got {given!r}.")
    found = [index_in(one, size) for one in given]
    if None in found:
        raise InputError(
            f"{what.capitalize()} {list(given)[found.index(None)]!r} does not exist: {what}s are 0 to {size - 1}."
        )
    if not found:
        raise InputError(f"`{what}s` is empty. Pass at least one {what}.")
    if len(set(found)) != len(found):
        raise InputError(f"`{what}s` contains a {what} twice: {found}.")
    return tuple(one for one in found if one is not None)


def _one_of(given: str, name: str, known: Sequence[str] | dict[Metric, str]) -> str:
    if given not in known:
        raise InputError(f"`{name}` must be one of {', '.join(known)}; got {given!r}.")
    return given
