"""Where the unknown tokens of a text are in it, for tokenizers that do not say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from attnscope.types import Token

Spans = list[tuple[int, int] | None]


def unknown_spans(text: str, tokens: Sequence[Token], unknown: int) -> Spans:
    """The characters that each unknown token stands for; None for other tokens, and where it is not certain.

    Unknown tokens stand for the text between the tokens next to them, which must have the same places whether they are looked
    for from the start or from the end. Several unknown tokens side by side must be as many words or characters.
    """
    found: Spans = [None] * len(tokens)
    if not any(token.id == unknown for token in tokens):
        return found
    parts = [None if token.id == unknown else _shown(token, text) for token in tokens]
    places = _places(text, parts) or _places(_folded(text), [part and _folded(part) for part in parts])
    if places is None:
        return found
    start, waiting = 0, list[int]()
    for at, place in enumerate([*places, (len(text), len(text))]):
        if place is None:
            waiting += [at] if parts[at] is None else []
            continue
        for index, span in zip(waiting, _shares(text, start, place[0], len(waiting)), strict=False):
            found[index] = span
        start, waiting = place[1], []
    return found


def _shares(text: str, start: int, end: int, count: int) -> list[tuple[int, int]]:
    """What each of `count` unknown tokens stands for in a part of the text, if only one way is possible.

    An unknown token is at least one character and no more than one word.
    """
    words = [(start + word.start(), start + word.end()) for word in re.finditer(r"\S+", text[start:end])]
    if len(words) == count:
        return words
    if len(words) == 1 and words[0][1] - words[0][0] == count:
        return [(at, at + 1) for at in range(*words[0])]
    return [(start, end)] if not words and count == 1 and end - start == 1 else []


def _shown(token: Token, text: str) -> str:
    """What a token shows of the text: a special token nothing, unless its name is in the text."""
    shown = token.text.strip()
    return shown if not token.special or shown in text else ""


def _folded(text: str) -> str:
    """A text of the same length in lower case without accents, as many tokenizers write it."""
    return "".join(_folded_char(char) for char in text)


def _folded_char(char: str) -> str:
    parts = [part for part in unicodedata.normalize("NFD", char.lower()) if unicodedata.category(part) != "Mn"]
    return parts[0] if len(parts) == 1 else char


def _places(text: str, parts: Sequence[str | None]) -> Spans | None:
    """The place of each part, if there is one only."""
    first, last = _first_places(text, parts), _last_places(text, parts)
    return first if first == last else None


def _first_places(text: str, parts: Iterable[str | None]) -> Spans | None:
    """The first place of each part after the one before it, or None if one is missing.

    Between parts there are only spaces, except where a part is None.
    """
    at, gap = 0, False
    places: Spans = []
    for part in parts:
        if not part:
            gap = gap or part is None
            places.append(None)
            continue
        start = text.find(part, at)
        if start < 0 or (text[at:start].strip() and not gap):
            return None
        at, gap = start + len(part), False
        places.append((start, at))
    return None if text[at:].strip() and not gap else places


def _last_places(text: str, parts: Sequence[str | None]) -> Spans | None:
    """The last places, found from the end."""
    size = len(text)
    places = _first_places(text[::-1], [part and part[::-1] for part in reversed(parts)])
    return None if places is None else [place and (size - place[1], size - place[0]) for place in reversed(places)]
