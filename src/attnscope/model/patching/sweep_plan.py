"""What a sweep runs, validated against the model beforehand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from attnscope.errors import InputError
from attnscope.model.metrics.answer import index_in
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.metrics.metric import Measurement
from attnscope.model.patching.prompt_pair import PromptPair, SpanPair, Spans
from attnscope.model.patching.sweep import WHAT, By, Column, HeadGroup, What
from attnscope.model.residual_stream.stream import Stream
from attnscope.trace import Trace
from attnscope.trace.positions import Position, span_words
from attnscope.trace.words import Span


@dataclass(frozen=True)
class SweepPlan:
    """What is swept, from `pair.clean` into `pair.corrupted`.

    `cells` are the positions of each column of a sweep by position, `positions` those that every other patch is limited to (None:
    all that can be patched, those of the answer included), and `heads` the heads (None: all).
    """

    pair: PromptPair
    what: What
    by: By
    stack: str
    measurements: tuple[Measurement, Measurement]
    layers: tuple[int, ...]
    columns: tuple[Column, ...]
    source_columns: tuple[Column, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    positions: tuple[int, ...] | None
    cells: tuple[Span, ...]
    heads: tuple[int, ...] | None
    groups: tuple[HeadGroup, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def measurement(self) -> Measurement:
        """What is measured of the corrupted prompt."""
        return self.measurements[1]

    @property
    def side(self) -> str:
        """The side of the prompts whose positions are patched."""
        return self.pair.corrupted.traced_stack(self.stack).query_side

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, above all about prompts that do not correspond position by position."""
        found = self.remarks + self.pair.notes(self.side)
        keys = self.pair.corrupted.traced_stack(self.stack).key_side
        if self.what == "attention" and not self.pair.sides[keys].by_position:
            found += (
                "Keys without a counterpart keep their weight; the rest of each row is divided as in the clean prompt's run, and "
                "a span of keys gets the weight of the whole corresponding span.",
            )
        return found


@dataclass(frozen=True)
class SweepQuestion:
    """The arguments of `Model.patch`, not yet validated."""

    what: str = "output"
    by: str | None = None
    metric: str | None = None
    answer: AnswerText | None = None
    foil: AnswerText | None = None
    position: Position | None = None
    stack: str | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    positions: Sequence[Position] | None = None
    spans: Spans | None = None
    unequal: str = "last"
    together: Sequence[Any] | None = None


def plan_of(
    pair: PromptPair,
    stream: Stream,
    measurements: tuple[Measurement, Measurement],
    question: SweepQuestion,
    into: Literal["corrupted", "clean"] = "corrupted",
    remarks: tuple[str, ...] = (),
) -> SweepPlan:
    """The plan of a sweep from `pair.clean` into `pair.corrupted`, or the other way, with `remarks` for the user.

    Raises `InputError` for arguments that do not fit.
    """
    kind = cast("What", _one_of(question.what, "what", WHAT))
    of_heads = kind in ("output", "attention")
    axis = _axis(question, of_heads=of_heads)
    if not of_heads and (axis in ("head", "group") or question.heads is not None):
        raise InputError(
            f"`what` is {kind!r:.300}, which is not separate for each head. Omit `heads` and `together`, and sweep by position "
            "or layer."
        )
    trace = pair.corrupted
    name = _stack(trace, stream, question.stack, of_heads=of_heads)
    depth = len(trace.traced_stack(name).records) if of_heads else len(stream.towers[name])
    side = trace.traced_stack(name).query_side
    cells = _cells(pair, question.positions, side)
    if into == "clean":
        pair, measurements = pair.reversed, (measurements[1], measurements[0])
        cells = [(other, one) for one, other in cells]
    among = _indices(question.heads, "head", trace.stacks[name].heads) if of_heads else ()
    groups = _groups(question.together, depth, trace, name) if axis == "group" else ()
    columns: dict[By, tuple[Column, ...]] = {
        "head": among, "position": tuple(_column(one) for _, one in cells), "layer": (0,), "group": groups
    }  # fmt: skip
    labels = sources = tuple(_label(column) for column in columns[axis])
    if axis == "position":
        labels = tuple("".join(pair.corrupted.sides[side][index].text for index in cell) for _, cell in cells)
        sources = tuple("".join(pair.clean.sides[side][index].text for index in cell) for cell, _ in cells)
    positions = tuple(sorted({index for _, cell in cells for index in cell}))
    return SweepPlan(
        pair=pair,
        what=kind,
        by=axis,
        stack=name,
        measurements=measurements,
        layers=tuple(sorted({layer for group in groups for layer, _ in group}))
        or _indices(question.layers, "layer", depth),
        columns=columns[axis],
        source_columns=tuple(_column(one) for one, _ in cells) if axis == "position" else columns[axis],
        labels=labels,
        sources=sources,
        positions=None if question.positions is None else positions,
        cells=tuple(cell for _, cell in cells),
        heads=None if question.heads is None else among,
        groups=groups,
        remarks=remarks,
    )


def _axis(question: SweepQuestion, *, of_heads: bool) -> By:
    if question.together is None:
        by = question.by or ("head" if of_heads else "position")
        return cast("By", _one_of(by, "by", [one for one in get_args(By) if one != "group"]))
    if question.by is not None or question.layers is not None or question.heads is not None:
        raise InputError("`together` names the heads to patch; omit `by`, `layers` and `heads`.")
    return "group"


def _groups(given: object, layers: int, trace: Trace, stack: str) -> tuple[HeadGroup, ...]:
    """The groups of heads of `together`: one group of (layer, head) pairs, or a list of groups."""
    listed = list(cast("Sequence[object]", given)) if isinstance(given, (list, tuple)) else []
    single = bool(listed) and all(_is_head(one) for one in listed)
    groups = [listed] if single else [list(cast("Any", one)) for one in listed if isinstance(one, (list, tuple))]
    if not groups or len(groups) != (1 if single else len(listed)) or not all(map(_is_group, groups)):
        raise InputError(
            "`together` must be a list of heads that are patched together, such as [(5, 3), (7, 1)], or a list of such lists; "
            f"got {given!r:.80}."
        )
    found: list[HeadGroup] = []
    for group in groups:
        heads: list[tuple[int, int]] = []
        for layer, head in cast("Sequence[tuple[int, int]]", group):
            at = index_in(layer, layers)
            record = None if at is None else trace.traced_stack(stack).records[at]
            own = None if record is None else index_in(head, record.shape.heads)
            if at is None or own is None:
                raise InputError(f"`together` names head {layer}.{head}, which does not exist.")
            heads.append((at, own))
        if len(set(heads)) != len(heads):
            raise InputError(f"`together` contains a head twice in the group {_label(tuple(heads))}.")
        found.append(tuple(sorted(heads)))
    return tuple(found)


def _is_head(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(cast("Any", value)) == 2 and all(
        index_in(one, 2**62) is not None for one in cast("Any", value)
    )  # fmt: skip


def _is_group(group: Sequence[object]) -> bool:
    return bool(group) and all(map(_is_head, group))


def _column(span: Span) -> Column:
    return span if len(span) > 1 else max(span)


def _label(column: Column) -> str:
    pairs: tuple[Any, ...] = column if isinstance(column, tuple) else ()
    return (
        " + ".join(f"{layer}.{head}" for layer, head in pairs) if pairs and isinstance(pairs[0], tuple) else str(column)
    )


def _stack(trace: Trace, stream: Stream, stack: str | None, *, of_heads: bool) -> str:
    names = tuple(trace.stacks) if of_heads else tuple(stream.towers)
    if stack is None:
        return names[0] if len(names) == 1 else "decoder"
    if stack not in names:
        raise InputError(f"The stack {stack!r:.300} cannot be patched; available: {', '.join(names)}.")
    return stack


def _cells(pair: PromptPair, given: object, side: str) -> list[SpanPair]:
    """The positions of each cell: one for each entry of `positions`; all that correspond for None."""
    if given is None:
        found = list(pair.sides[side].cells)
        if not found:
            raise InputError(
                "The prompts have no corresponding tokens, so nothing can be patched. Name spans with `spans`."
            )
        return found
    found = pair.each(given, side)
    if not found:
        raise InputError("`positions` is empty. Pass at least one position.")
    targets = [one for _, one in found]
    if len(set(targets)) != len(targets):
        raise InputError(f"`positions` contains a position twice: {', '.join(map(span_words, targets))}.")
    return found


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


def _one_of(given: str, name: str, known: Collection[str]) -> str:
    if given not in known:
        raise InputError(f"`{name}` must be one of {', '.join(known)}; got {given!r:.80}.")
    return given
