"""Which spans of two prompts correspond, so that prompts of different lengths can be compared and patched.

Equal tokens correspond one by one. A run of tokens that the other prompt replaces by another run corresponds to it as a whole.
Tokens that only one of the prompts has correspond to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from attnscope.errors import InputError
from attnscope.trace.common_parts import common_items, gaps
from attnscope.trace.positions import Position, resolve, span_words
from attnscope.trace.words import Span
from attnscope.types import Token


@dataclass(frozen=True)
class Alignment:
    """The spans of two prompts that correspond.

    Attributes:
        pairs: The spans (indices of tokens) of the first and of the second prompt that correspond, in the order of the text.
        one_to_one: Whether every token of either prompt corresponds to exactly one token of the other. Padding doesn't count.
    """

    pairs: tuple[tuple[Span, Span], ...]
    one_to_one: bool


def align(
    first: Sequence[Token], second: Sequence[Token], anchors: Sequence[tuple[Position, Position]] = ()
) -> Alignment:
    """Align two prompts by spans.

    `anchors` are pairs of positions (an index, a word, a span) of the first and of the second prompt that correspond, whatever
    their tokens are: the slots of a template, say. Tokens between two anchors correspond only to tokens between the same two.
    Padding corresponds to nothing.

    Raises `InputError` for anchors that don't exist, overlap, have gaps, or are in another order in the second prompt.
    """
    fixed = _anchored(first, second, anchors)
    ends: list[tuple[Span, Span]] = [((-1,), (-1,)), *fixed, ((len(first),), (len(second),))]
    pairs = list(fixed)
    for (before, before_second), (after, after_second) in pairwise(ends):
        between = [index for index in range(before[-1] + 1, after[0]) if not first[index].padding]
        there = [index for index in range(before_second[-1] + 1, after_second[0]) if not second[index].padding]
        pairs += _matched(first, second, between, there)
    pairs.sort()
    return Alignment(tuple(pairs), _one_to_one(pairs, first, second))


def _anchored(
    first: Sequence[Token], second: Sequence[Token], anchors: Sequence[tuple[Position, Position]]
) -> list[tuple[Span, Span]]:
    """The anchors as spans, in the order of the text."""
    found: list[tuple[Span, Span]] = []
    for anchor in anchors:
        if not isinstance(anchor, (tuple, list)) or len(anchor) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"An anchor is a pair of positions, one in each prompt; got {anchor!r:.80}.")
        spans = (
            tuple(sorted(resolve(anchor[0], first, "anchor in the first prompt"))),
            tuple(sorted(resolve(anchor[1], second, "anchor in the second prompt"))),
        )
        for span in spans:
            if span[-1] - span[0] + 1 != len(span):
                raise InputError(f"The tokens of an anchor must follow each other; got {span_words(span)}.")
        found.append(spans)
    found.sort()
    for (one, one_second), (other, other_second) in pairwise(found):
        if one[-1] >= other[0] or one_second[-1] >= other_second[0]:
            raise InputError(
                f"The anchors {_shown(one, one_second)} and {_shown(other, other_second)} overlap, or are in another order in "
                "the second prompt. Pass anchors that come in the same order in both prompts."
            )
    return found


def _shown(one: Span, other: Span) -> str:
    return f"{span_words(one)} ↔ {span_words(other)}"


def _matched(
    first: Sequence[Token], second: Sequence[Token], here: Sequence[int], there: Sequence[int]
) -> Iterator[tuple[Span, Span]]:
    """The pairs among the tokens with the indices `here` and `there`."""
    left, right = [token_key(first[index]) for index in here], [token_key(second[index]) for index in there]
    shorter = min(len(left), len(right))
    start = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    rest = shorter - start
    end = next((at for at in range(rest) if left[-1 - at] != right[-1 - at]), rest)
    yield from (((here[at],), (there[at],)) for at in range(start))
    yield from (((here[-1 - at],), (there[-1 - at],)) for at in range(end))
    here, there = here[start : len(here) - end], there[start : len(there) - end]
    left, right = left[start : len(left) - end], right[start : len(right) - end]
    common = common_items(left, right)
    yield from (((here[at],), (there[to],)) for at, to in common)
    for one, other in gaps(common, (len(left), len(right))):
        if one and other:
            yield tuple(here[at] for at in one), tuple(there[to] for to in other)


def token_key(token: Token) -> tuple[int, str | None]:
    """What makes two tokens the same: the id, or the text where a token has none. Unknown tokens also need the same text."""
    return (token.id, token.given) if token.id >= 0 else (-1, token.text)


def _one_to_one(pairs: Sequence[tuple[Span, Span]], first: Sequence[Token], second: Sequence[Token]) -> bool:
    counted = [sum(not token.padding for token in tokens) for tokens in (first, second)]
    single = all(len(one) == len(other) == 1 for one, other in pairs)
    return single and counted == [len(pairs), len(pairs)]
