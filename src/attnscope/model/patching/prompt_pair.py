"""Two prompts and which of their tokens correspond, so that activations of one can be patched into the other.

Prompts with the same number of tokens correspond position by position. Others, and prompts with named spans, are aligned by span
(`attnscope.trace.alignment`): equal tokens, and replaced runs of equal length, correspond one to one. A span of another length is
handled as `unequal` says. What has no counterpart is not patched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast, get_args

from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.alignment import align
from attnscope.trace.positions import Position, is_word, occurrence_of, resolve, resolve_each, span_words
from attnscope.trace.words import Span, spans
from attnscope.types import Token

Unequal = Literal["last", "skip", "mean"]
"""How a span is patched from one of another length: its last tokens one by one, not at all, or each token with the mean."""

SpanPair = tuple[Span, Span]
"""Positions in the clean and in the corrupted prompt that correspond."""

Spans = Mapping[str, tuple[Position, Position]]
"""Names of spans that correspond, each with its position in the clean and in the corrupted prompt."""


@dataclass(frozen=True)
class Correspondence:
    """The corresponding spans of one side of two prompts.

    Attributes:
        pairs: The spans that correspond, as `align` finds them; token by token where both have the same length.
        clean: The number of the clean prompt's tokens.
        corrupted: The number of the corrupted prompt's tokens.
        unequal: What to do with spans of different lengths.
        by_position: Whether position i corresponds to position i, everywhere.
    """

    pairs: tuple[SpanPair, ...]
    clean: int
    corrupted: int
    unequal: Unequal
    by_position: bool

    @classmethod
    def of(
        cls, clean: Sequence[Token], corrupted: Sequence[Token], anchors: Sequence[SpanPair], unequal: Unequal
    ) -> Correspondence:
        """Position by position if both have the same number of tokens and there are no anchors; else aligned by span."""
        if len(clean) == len(corrupted) and not anchors:
            pairs = tuple(((index,), (index,)) for index in range(len(clean)))
        else:
            pairs = tuple(one for pair in align(clean, corrupted, anchors).pairs for one in _token_by_token(pair))
        same = len(clean) == len(corrupted) and all(len(one) == 1 and one == other for one, other in pairs)
        return cls(pairs, len(clean), len(corrupted), unequal, same and len(pairs) == len(clean))

    @property
    def reversed(self) -> Correspondence:
        """The same correspondence for patches from the corrupted into the clean prompt."""
        pairs = tuple((other, one) for one, other in self.pairs)
        return Correspondence(pairs, self.corrupted, self.clean, self.unequal, self.by_position)

    def extended(self, added: int) -> Correspondence:
        """The correspondence after `added` equal tokens were added at the end of both prompts."""
        more = tuple(((self.clean + index,), (self.corrupted + index,)) for index in range(added))
        return Correspondence(
            (*self.pairs, *more), self.clean + added, self.corrupted + added, self.unequal, self.by_position
        )

    @cached_property
    def sources(self) -> dict[int, Span]:
        """Each position of the corrupted prompt that can be patched, with the clean positions whose mean is patched there."""
        return {at: source for pair in self.pairs for at, source in self._patched(pair)}

    @cached_property
    def cells(self) -> tuple[SpanPair, ...]:
        """What can be patched alone: pairs of single positions, and with `unequal="mean"` whole spans."""
        found: list[SpanPair] = []
        for clean, corrupted in self.pairs:
            if len(clean) == len(corrupted) or self.unequal == "mean":
                found.append((clean, corrupted))
            else:
                found += [(source, (at,)) for at, source in self._patched((clean, corrupted))]
        return tuple(found)

    def of_clean(self, span: Span) -> Span:
        """The positions of the corrupted prompt that are patched from a span of the clean one."""
        return tuple(at for at in sorted(self.sources) if set(self.sources[at]) & set(span))

    def of_corrupted(self, span: Span) -> Span:
        """The positions of the clean prompt from which a span of the corrupted one is patched."""
        return tuple(sorted({one for at in span for one in self.sources.get(at, ())}))

    def _patched(self, pair: SpanPair) -> list[tuple[int, Span]]:
        clean, corrupted = pair
        if len(clean) == len(corrupted):
            return [(at, (source,)) for source, at in zip(clean, corrupted, strict=True)]
        if self.unequal == "skip":
            return []
        if self.unequal == "mean":
            return [(at, clean) for at in corrupted]
        length = min(len(clean), len(corrupted))
        return [(at, (source,)) for source, at in zip(clean[-length:], corrupted[-length:], strict=True)]


@dataclass(frozen=True)
class PromptPair:
    """A clean prompt, a corrupted one, and what corresponds on each side (`text`, or `source` and `target`).

    `names` are the spans that the user named, by the name.
    """

    clean: Trace
    corrupted: Trace
    sides: Mapping[str, Correspondence]
    names: Mapping[str, SpanPair]

    @classmethod
    def of(cls, clean: Trace, corrupted: Trace, named: Spans | None, unequal: str) -> PromptPair:
        """The pair of two traces. Named spans are of the text; in an encoder-decoder model, of the source.

        Raises `InputError` for prompts with different sides, an unknown value of `unequal`, or spans that are not in the prompts.
        """
        if unequal not in get_args(Unequal):
            raise InputError(f"`unequal` must be one of {', '.join(get_args(Unequal))}; got {unequal!r:.80}.")
        if clean.sides.keys() != corrupted.sides.keys():
            raise InputError("Both prompts must have the same sides (text, or source and target).")
        first = next(iter(clean.sides))
        names = _named(named, clean.sides[first], corrupted.sides[first])
        sides = {
            side: Correspondence.of(
                tokens, corrupted.sides[side], tuple(names.values()) if side == first else (), cast("Unequal", unequal)
            )
            for side, tokens in clean.sides.items()
        }
        return cls(clean, corrupted, sides, names)

    @property
    def reversed(self) -> PromptPair:
        """The pair for patches in the other direction."""
        sides = {side: one.reversed for side, one in self.sides.items()}
        names = {name: (other, one) for name, (one, other) in self.names.items()}
        return PromptPair(self.corrupted, self.clean, sides, names)

    def span(self, position: object, side: str, *, from_end: bool = False) -> SpanPair:
        """The positions that an index, a word, a span or the name of a span stands for, in both prompts.

        Indices and words are those of the clean prompt; a word that only the corrupted prompt has is looked up there. Raises
        `InputError` if it is in neither, or has no counterpart.
        """
        name = "position"
        clean, corrupted = self.clean.sides[side], self.corrupted.sides[side]
        between = self.sides[side]
        if isinstance(position, str) and position in self.names and side == next(iter(self.sides)):
            pair = self.names[position]
        elif self._only_there(position, side):
            found = tuple(sorted(resolve(position, corrupted, name, from_end=from_end)))
            pair = between.of_corrupted(found), found
        else:
            found = tuple(sorted(resolve(position, clean, name, from_end=from_end)))
            pair = found, between.of_clean(found)
        if not all(pair):
            raise InputError(
                f"`{name}` {position!r:.80} has no counterpart in the other prompt. Name corresponding spans with `spans`."
            )
        return pair

    def each(self, positions: object, side: str) -> list[SpanPair]:
        """The positions of each entry of `positions`, in both prompts; see `span`."""
        if isinstance(positions, list) or (isinstance(positions, tuple) and occurrence_of(positions) is None):
            return [self.span(one, side) for one in cast("Sequence[object]", positions)]
        if is_word(positions):
            return [self.span(positions, side)]
        found = resolve_each(positions, self.clean.sides[side], "position", from_end=False)
        return [self.span(one, side) for one in found]

    def _only_there(self, position: object, side: str) -> bool:
        numbered = occurrence_of(position)
        word = position if isinstance(position, str) else None if numbered is None else numbered[0]
        if word is None or spans(word, self.clean.sides[side]):
            return False
        return bool(spans(word, self.corrupted.sides[side]))

    def notes(self, side: str) -> tuple[str, ...]:
        """What the user should know about a side whose prompts do not correspond position by position."""
        between, corrupted = self.sides[side], self.corrupted.sides[side]
        if between.by_position:
            return ()
        without = [index for index in range(len(corrupted)) if index not in between.sources]
        found = [
            f"The prompts are aligned by span: the clean one has {between.clean} tokens, the corrupted one {between.corrupted}. "
            f"{len(corrupted) - len(without)} of those can be patched."
        ]
        if without:
            texts = " · ".join(repr(corrupted[index].text) for index in without[:6])
            more = f" and {len(without) - 6} more" if len(without) > 6 else ""
            found.append(
                f"Without a counterpart, so not patched: {texts}{more} (position {span_words(without[:6])}{more})."
            )
        return tuple(found)


def _named(named: Spans | None, clean: Sequence[Token], corrupted: Sequence[Token]) -> dict[str, SpanPair]:
    if named is None:
        return {}
    if not isinstance(named, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`spans` must map names to pairs of positions, (clean, corrupted); got {named!r:.80}.")
    found: dict[str, SpanPair] = {}
    for name, pair in named.items():
        if not isinstance(name, str) or not isinstance(pair, (tuple, list)) or len(pair) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(
                f"`spans` must map names to pairs of positions, (clean, corrupted); got {name!r:.80}: {pair!r:.80}."
            )
        found[name] = (
            tuple(sorted(resolve(pair[0], clean, "spans"))),
            tuple(sorted(resolve(pair[1], corrupted, "spans"))),
        )
    return found


def _token_by_token(pair: SpanPair) -> list[SpanPair]:
    """Pairs of single tokens if both spans have the same length; else the pair itself."""
    clean, corrupted = pair
    if len(clean) != len(corrupted):
        return [pair]
    return [((one,), (other,)) for one, other in zip(clean, corrupted, strict=True)]
