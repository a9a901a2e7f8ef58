"""`Position`: how a token is named (an index, a word, a span), and the indices that a name stands for."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Sequence
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.trace.words import Span, plain_text, reading, spans
from attnscope.types import Token
from attnscope.validation import is_index

Position = int | str | tuple[str, int] | Sequence[int] | range | slice
"""A token, or a span of several tokens.

An index (negative ones count from the end), a word or phrase of the text (`"nurse"`), one of its occurrences (`("the", 2)`,
counted from 1), or several indices (`[4, 5]`, `range(4, 6)`, `slice(4, 6)`). A word that the tokenizer splits is the span of its
pieces.
"""

PYTHON = '("{word}", {number})'
"""How an occurrence is written in Python. On the command line it is `{word}#{number}`."""

_LISTED = 12
_CLOSEST = 5


def resolve(
    position: object, tokens: Sequence[Token], name: str = "position", *, from_end: bool = True, nth: str = PYTHON
) -> Span:
    """The indices of the tokens that a `Position` names; at least one, each once.

    `name` is the argument's ("query", "query of CutEdge"), for errors; `nth` is how the user writes an occurrence. With
    `from_end`, negative indices count from the end. Raises `InputError` for a word that the text doesn't have or has more than
    once, for an index out of range, and for anything that isn't a `Position`.
    """
    numbered = occurrence_of(position)
    if isinstance(position, str):
        return _only(position, tokens, name, nth)
    if numbered is not None:
        return _numbered(*numbered, tokens, name)
    indices = indices_of(position, len(tokens))
    if indices is None:
        raise InputError(
            f"{_argument(name)} is an index, a word of the text, a word with the number of its occurrence such as "
            f"{nth.format(word='the', number=2)}, or a list of indices; got {position!r:.80}."
        )
    if not indices:
        raise InputError(f"{_argument(name)} is an empty span: pass at least one index.")
    return tuple(dict.fromkeys(_within(index, len(tokens), name, from_end=from_end) for index in indices))


def resolve_one(
    position: object, tokens: Sequence[Token], name: str = "position", *, from_end: bool = True, nth: str = PYTHON
) -> int:
    """The index of one token; of a span the last one. Arguments and errors as for `resolve`."""
    return max(resolve(position, tokens, name, from_end=from_end, nth=nth))


def resolve_each(
    positions: object, tokens: Sequence[Token], name: str = "positions", *, from_end: bool = True
) -> list[Span]:
    """The spans of a list of positions, one for each entry.

    A word, a (word, number) tuple or an index alone is one entry; in a range or slice, each index is one. Errors as in `resolve`.
    """
    if isinstance(positions, slice):
        positions = indices_of(positions, len(tokens))
    alone = isinstance(positions, str) or (isinstance(positions, tuple) and occurrence_of(positions) is not None)
    if alone or not isinstance(positions, Iterable) or getattr(positions, "ndim", 1) == 0:
        positions = [positions]
    return [resolve(one, tokens, name, from_end=from_end) for one in cast("Iterable[object]", positions)]


def is_word(position: object) -> bool:
    """Whether a position is named by a word, so that a text is needed to know its index."""
    return isinstance(position, str) or occurrence_of(position) is not None


def occurrence_of(position: object) -> tuple[str, int] | None:
    """The word and the number of (word, number); None for anything else."""
    if not isinstance(position, (tuple, list)) or len(cast("Sequence[object]", position)) != 2:
        return None
    word, number = cast("Sequence[Any]", position)
    if not isinstance(word, str) or not is_index(number):
        return None
    return word, operator.index(number)


def indices_of(position: object, size: int | None = None) -> list[int] | None:
    """The indices of an index, a sequence of indices, a range or a slice (of `size` tokens); None for anything else."""
    if isinstance(position, slice):
        try:
            return None if size is None else list(range(size))[position]
        except TypeError:
            return None
    try:
        return [_index(position)]
    except TypeError:
        pass
    if isinstance(position, (str, bytes)) or not isinstance(position, Iterable):
        return None
    try:
        return [_index(one) for one in cast("Iterable[object]", position)]
    except TypeError:
        return None


def span_words(span: Sequence[int]) -> str:
    """Indices for a person: `4`, `4–6`, `1, 4 and 5`."""
    if len(span) > 1 and list(span) == list(range(span[0], span[-1] + 1)):
        return f"{span[0]}–{span[-1]}"
    return _listing([str(index) for index in span])


def _argument(name: str) -> str:
    """`query`, or `query` of CutEdge."""
    word, _, owner = name.partition(" ")
    return f"`{word}` {owner}" if owner else f"`{word}`"


def _index(value: object) -> int:
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        raise TypeError(value)
    return operator.index(value)  # pyright: ignore[reportArgumentType]


def _within(index: int, size: int, name: str, *, from_end: bool) -> int:
    if not (-size if from_end else 0) <= index < size:
        has = f"the text has tokens 0 to {size - 1}" if size else "the text has no tokens"
        raise InputError(f"There is no {name} {index}: {has}.")
    return index % size


def _only(word: str, tokens: Sequence[Token], name: str, nth: str) -> Span:
    found = spans(word, tokens)
    if not found:
        raise _absent(word, tokens, name)
    if len(found) > 1:
        shown = found[:_LISTED]
        places = _listing([span_words(span) for span in shown], more=len(found) - len(shown))
        raise InputError(
            f"{_argument(name)}: {_quoted(word)} occurs at tokens {places} of {_quoted(reading(tokens))}: pass an index or "
            f"{nth.format(word=word, number=2)} for the second occurrence."
        )
    return found[0]


def _numbered(word: str, number: int, tokens: Sequence[Token], name: str) -> Span:
    found = spans(word, tokens)
    if not found:
        raise _absent(word, tokens, name)
    if not 1 <= number <= len(found):
        times = {1: "once", 2: "twice"}.get(len(found), f"{len(found)} times")
        raise InputError(
            f"{_argument(name)}: {_quoted(word)} occurs {times} in {_quoted(reading(tokens))}, so occurrence {number} does not "
            "exist (they count from 1)."
        )
    return found[number - 1]


def _absent(word: str, tokens: Sequence[Token], name: str) -> InputError:
    return InputError(f"{_argument(name)}: {_quoted(word)} is not a word of the text ({_tokens(word, tokens)}).")


def _tokens(word: str, tokens: Sequence[Token]) -> str:
    """The tokens for an error: all of a short text, else those that are most like the word."""
    texts = [token.given or plain_text(token) for token in tokens]
    if not texts:
        return "it has no tokens"
    listed = list(range(len(texts)))
    said = "tokens"
    if len(texts) > _LISTED:
        folded = [text.lower() for text in texts]
        close = difflib.get_close_matches(word.strip().lower(), list(dict.fromkeys(folded)), _CLOSEST)
        listed = [folded.index(one) for one in close] or listed[:_LISTED]
        said = "closest tokens" if close else "tokens"
    more = ", …" if len(listed) < len(texts) else ""
    return f"{said}: {', '.join(f'{at} {_quoted(texts[at])}' for at in listed)}{more}"


def _listing(parts: Sequence[str], more: int = 0) -> str:
    """`1`, `1 and 4`, `1, 4 and 5`, `1, 4 and 20 more`."""
    last = f"{more} more" if more else parts[-1]
    before = parts if more else parts[:-1]
    return f"{', '.join(before)} and {last}" if before else last


def _quoted(text: str) -> str:
    return f'"{text if len(text) <= 60 else f"{text[:59]}…"}"'
