"""What a sweep runs, validated against the model beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from attnscope.errors import InputError
from attnscope.model.metrics.answer import Answer, index_in
from attnscope.model.patching.sweep import METRICS, WHAT, By, Column, Metric, What
from attnscope.model.residual_stream.stream import Stream
from attnscope.trace import Trace
from attnscope.trace.positions import Position, occurrence_of, resolve, resolve_each, span_words
from attnscope.trace.words import Span, spans
from attnscope.types import Token


@dataclass(frozen=True)
class SweepPlan:
    """What is swept. `positions` and `heads` limit a patch where they are not the columns (None: all).

    `cells` are the positions of each column of a sweep by position: one, or a span that is patched together.
    """

    what: What
    by: By
    stack: str
    metric: Metric
    layers: tuple[int, ...]
    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    positions: tuple[int, ...]
    cells: tuple[Span, ...]
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
    position: Position | None = None
    stack: str | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    positions: Sequence[Position] | None = None


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
            f"`what` is {kind!r:.300}, which is not separate for each head. Omit `heads`, and sweep by position or layer."
        )
    name = _stack(trace, stream, question.stack, of_heads=of_heads)
    tokens = trace.tokens_for(name)[0]
    depth = len(trace.traced_stack(name).records) if of_heads else len(stream.towers[name])
    sources_of = clean.tokens_for(name)[0]
    cells = _cells(question.positions, sources_of, tokens)
    at = tuple(sorted({index for cell in cells for index in cell}))
    among = _indices(question.heads, "head", trace.stacks[name].heads) if of_heads else ()
    spans: tuple[Column, ...] = tuple(cell if len(cell) > 1 else next(iter(cell)) for cell in cells)
    columns: tuple[Column, ...] = {"head": among, "position": spans, "layer": (0,)}[axis]
    labels = sources = tuple(str(column) for column in columns)
    if axis == "position":
        labels = tuple("".join(tokens[index].text for index in cell) for cell in cells)
        sources = tuple("".join(sources_of[index].text for index in cell) for cell in cells)
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
        cells=cells,
        heads=None if question.heads is None else among,
        answer=answer,
    )


def _stack(trace: Trace, stream: Stream, stack: str | None, *, of_heads: bool) -> str:
    names = tuple(trace.stacks) if of_heads else tuple(stream.towers)
    if stack is None:
        return names[0] if len(names) == 1 else "decoder"
    if stack not in names:
        raise InputError(f"The stack {stack!r:.300} cannot be patched; available: {', '.join(names)}.")
    return stack


def words_of(position: object, clean: Sequence[Token], corrupted: Sequence[Token]) -> Sequence[Token]:
    """The tokens in which a position is looked up: the clean prompt's, or the corrupted prompt's if only that has the word."""
    numbered = occurrence_of(position)
    word = position if isinstance(position, str) else None if numbered is None else numbered[0]
    only_there = word is not None and not spans(word, clean) and bool(spans(word, corrupted))
    return corrupted if only_there else clean


def _cells(given: object, clean: Sequence[Token], corrupted: Sequence[Token]) -> tuple[Span, ...]:
    """The positions of each cell: one for each entry of `positions`; all positions one by one for None."""
    if given is None:
        return tuple((index,) for index in range(len(corrupted)))
    entries = (
        list(given) if isinstance(given, list) or (isinstance(given, tuple) and occurrence_of(given) is None) else given
    )
    if isinstance(entries, list):
        found = [resolve(one, words_of(one, clean, corrupted), "position", from_end=False) for one in entries]
    else:
        found = resolve_each(entries, words_of(entries, clean, corrupted), "position", from_end=False)
    if not found:
        raise InputError("`positions` is empty. Pass at least one position.")
    if len(set(found)) != len(found):
        raise InputError(f"`positions` contains a position twice: {', '.join(map(span_words, found))}.")
    return tuple(found)


def _indices(given: Sequence[int] | None, what: str, size: int) -> tuple[int, ...]:
    if given is None:
        return tuple(range(size))
    if not hasattr(given, "__iter__"):
        raise InputError(f"`{what}s` must be a list of whole numbers; got {given!r:.80}.")
    found = [index_in(one, size) for one in given]
    if None in found:
        raise InputError(
            f"{what.capitalize()} {list(given)[found.index(None)]!r:.300} does not exist: {what}s are 0 to {size - 1}."
        )
    if not found:
        raise InputError(f"`{what}s` is empty. Pass at least one {what}.")
    if len(set(found)) != len(found):
        raise InputError(f"`{what}s` contains a {what} twice: {found}.")
    return tuple(one for one in found if one is not None)


def _one_of(given: str, name: str, known: Sequence[str] | dict[Metric, str]) -> str:
    if given not in known:
        raise InputError(f"`{name}` must be one of {', '.join(known)}; got {given!r:.80}.")
    return given
