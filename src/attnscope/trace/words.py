"""Words and phrases in a list of tokens: where a text occurs, whatever the tokenizer made of it.

The page does the same (`frontend/src/state/words.ts`); tests/trace/words.json checks both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from attnscope.appearance.characters import CONTINUES, face
from attnscope.trace.byte_level import characters
from attnscope.types import Token

Span = tuple[int, ...]
"""The indices of the tokens of one occurrence, ascending."""

_BYTE = re.compile(r"\\x([0-9a-f]{2})")
_SPACE_MARKS = ("Ġ", "▁")
"""What byte-level and sentencepiece vocabularies write for a space: seen where tokens were passed as they are."""

_UNSPACED = (
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai, Lao, Tibetan, Myanmar, Khmer
    *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B)),  # Han radicals and marks
    *((0x3041, 0x30FF), (0x3105, 0x312F), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),  # kana, Bopomofo
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),  # Han
)
"""Code points of scripts that put no spaces between words: first and last."""


class _Gap(Enum):
    """What lies before a character."""

    NONE = "nothing"
    SPACE = "a space"
    OPEN = "perhaps a space: the tokenizer does not say"
    BARRIER = "the end of a text, or a special token"


@dataclass(frozen=True, slots=True)
class _Glyph:
    """A visible character of the text: its tokens (more than one where they are its bytes), and whether it begins or ends one."""

    char: str
    gap: _Gap
    first: int
    last: int
    starts: bool
    ends: bool


def spans(text: str, tokens: Sequence[Token]) -> list[Span]:
    """The tokens of every occurrence of a word or phrase, in order; empty where there is none.

    An occurrence starts where a token starts, ends where a token ends, and isn't part of a longer word. Looked for in this
    order, and the first that is found counts: the exact text; the text in upper or lower case; the text without its accents;
    a token that is this text, though it is part of a word. A special token is found by its text.
    """
    wanted = list(_wanted(text))
    if not wanted:
        return [(at,) for at, token in enumerate(tokens) if text and token.text == text]
    glyphs = list(_glyphs(tokens))
    marked = any(token.continues for token in tokens)
    for fold in (str, str.lower, plain_character):
        found = [*_named(text, tokens, fold), *_occurrences(wanted, glyphs, fold, marked=marked)]
        if found:
            return sorted(found)
    for fold in (str, str.lower):
        pieces = {fold(text.strip()), fold(text.strip().removeprefix(CONTINUES))}
        found = [(at,) for at, token in enumerate(tokens) if not pieces.isdisjoint(map(fold, _faces(token)))]
        if found:
            return found
    return []


@dataclass(frozen=True, slots=True)
class Char:
    """A visible character of the text.

    Attributes:
        char: The character.
        space: What precedes it in the text that a person reads: "", " ", or a line break after a special token or a sentence.
        first: Its first token.
        last: Its last token, another one only where several tokens are its bytes.
        joined: Whether it belongs to the same word as the character before it.
    """

    char: str
    space: str
    first: int
    last: int
    joined: bool


def characters_of(tokens: Sequence[Token]) -> Iterator[Char]:
    """The visible characters of the tokens, in order.

    Where the tokenizer doesn't say whether a space precedes a token, a space is assumed before letters and digits. Characters of
    scripts without spaces belong to one word if they are in the same token.
    """
    before: _Glyph | None = None
    for glyph in _glyphs(tokens):
        space, joined = "", False
        if before is not None:
            unspaced = _is_unspaced(glyph.char) and _is_unspaced(before.char)
            apart = _is_word(glyph.char) and not unspaced
            if glyph.gap is _Gap.BARRIER:
                space = "\n"
            elif glyph.gap is _Gap.SPACE or (glyph.gap is _Gap.OPEN and apart):
                space = " "
            elif glyph.gap is _Gap.NONE:
                together = unspaced and before.last == glyph.first and _is_word(before.char) and _is_word(glyph.char)
                joined = together or _joined(before.char, glyph.char)
        yield Char(glyph.char, space, glyph.first, glyph.last, joined)
        before = glyph


def is_word_character(char: str) -> bool:
    """Whether a character is part of a word: a letter, digit, accent or underscore."""
    return _is_word(char)


def reading(tokens: Sequence[Token], most: int = 32) -> str:
    """The text of the tokens as a person reads it, shortened."""
    shown = islice(characters_of(tokens), most + 1)
    parts = [f" {one.char}" if one.space and at else one.char for at, one in enumerate(shown)]
    if len(parts) <= most:
        return "".join(parts)
    words, space, _ = "".join(parts[:most]).rpartition(" ")
    return f"{words} …" if space else f"{''.join(parts[:most])}…"


def plain_text(token: Token) -> str:
    """A token's text without the space or mark before it."""
    text = token.text.strip() or token.text
    for mark in (*_SPACE_MARKS, CONTINUES):
        if text.startswith(mark) and len(text) > len(mark):
            return text.removeprefix(mark)
    return text


def _faces(token: Token) -> set[str]:
    """The texts that a token is known by."""
    shown = face(token.text, name=token.special or token.box is not None)
    return {token.text.strip(), plain_text(token), shown} - {""}


def _named(text: str, tokens: Sequence[Token], fold: Callable[[str], str]) -> Iterator[Span]:
    """Special tokens and patches of an image, by their text."""
    name = fold(text.strip())
    for at, token in enumerate(tokens):
        if (token.special or token.box is not None) and fold(token.text.strip()) == name:
            yield (at,)


def _occurrences(
    wanted: Sequence[tuple[str, bool]], glyphs: Sequence[_Glyph], fold: Callable[[str], str], *, marked: bool
) -> Iterator[Span]:
    keys = [fold(char) for char, _ in wanted]
    own = [fold(glyph.char) for glyph in glyphs]
    at = 0
    while at + len(keys) <= len(own):
        end = at + len(keys)
        if own[at:end] == keys and _begins(glyphs, at) and _begins_after(glyphs, end):
            gaps = zip(glyphs[at + 1 : end], glyphs[at : end - 1], wanted[1:], strict=True)
            if all(_fits(glyph, before, spaced=spaced, marked=marked) for glyph, before, (_, spaced) in gaps):
                yield tuple(range(glyphs[at].first, glyphs[end - 1].last + 1))
                at = end
                continue
        at += 1


def _begins(glyphs: Sequence[_Glyph], at: int) -> bool:
    """Whether an occurrence may start with this character."""
    return glyphs[at].starts and (at == 0 or not _within_word(glyphs[at - 1], glyphs[at]))


def _begins_after(glyphs: Sequence[_Glyph], end: int) -> bool:
    """Whether an occurrence may end before this character."""
    return glyphs[end - 1].ends and (end == len(glyphs) or not _within_word(glyphs[end - 1], glyphs[end]))


def _within_word(before: _Glyph, glyph: _Glyph) -> bool:
    return glyph.gap is _Gap.NONE and _joined(before.char, glyph.char)


def _fits(glyph: _Glyph, before: _Glyph, *, spaced: bool, marked: bool) -> bool:
    """Whether what lies between two characters of the text is what lies between them in the text that is looked for."""
    if glyph.gap is _Gap.OPEN:
        return spaced or not (marked and _joined(before.char, glyph.char))
    return glyph.gap is (_Gap.SPACE if spaced else _Gap.NONE)


def _joined(before: str, char: str) -> bool:
    """Whether two characters side by side belong to one word."""
    return _is_word(before) and _is_word(char) and not (_is_unspaced(before) or _is_unspaced(char))


def _is_word(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LMN" or category == "Pc"


def _is_unspaced(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _UNSPACED)


def plain_character(char: str) -> str:
    """A character in lower case, without its accents."""
    parts = unicodedata.normalize("NFD", char.lower())
    return "".join(part for part in parts if unicodedata.category(part) != "Mn") or char


def _wanted(text: str) -> Iterator[tuple[str, bool]]:
    """The visible characters of what is looked for, each with whether a space precedes it."""
    spaced = False
    for char in unicodedata.normalize("NFC", text):
        if char.isspace():
            spaced = True
            continue
        yield char, spaced
        spaced = False


def _glyphs(tokens: Sequence[Token]) -> Iterator[_Glyph]:
    """The visible characters of the tokens. Special tokens have none, except where they stand for a word (`Token.given`)."""
    spaced = any(token.text.startswith(" ") for token in tokens if not token.special)
    after = _Gap.BARRIER
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = at + 1
        if at and (token.sentence, token.role) != (tokens[at - 1].sentence, tokens[at - 1].role):
            after = _Gap.BARRIER
        if token.raw:
            while end < len(tokens) and tokens[end].raw:
                end += 1
            chars = list(_decoded(tokens[at:end], at))
        elif token.given is not None:
            chars = [(char, at, at) for char in token.given]
        elif token.special or token.box is not None:
            after, at = _Gap.BARRIER, end
            continue
        else:
            chars = [(char, at, at) for char in _text_of(token, spaced=spaced)]
        before = _Gap.OPEN if token.given is not None and not token.raw else _before(token, spaced=spaced)
        visible = list(_visible(chars, before if after is _Gap.NONE else after, whole=token.raw))
        yield from visible
        if visible:
            after = _Gap.NONE
        if chars and chars[-1][0].isspace() and after is _Gap.NONE:
            after = _Gap.SPACE
        at = end


def _visible(chars: Sequence[tuple[str, int, int]], gap: _Gap, *, whole: bool) -> Iterator[_Glyph]:
    """The characters that are no spaces; `whole`: each counts as a token's start and end (bytes)."""
    seen = [index for index, (char, _, _) in enumerate(chars) if not char.isspace()]
    for index in seen:
        char, first, last = chars[index]
        if index and chars[index - 1][0].isspace() and gap is not _Gap.BARRIER:
            gap = _Gap.SPACE
        yield _Glyph(char, gap, first, last, whole or index == seen[0], whole or index == seen[-1])
        gap = _Gap.NONE


def _before(token: Token, *, spaced: bool) -> _Gap:
    """What precedes a token whose text has no space of its own."""
    if spaced or token.continues or (token.text.startswith(CONTINUES) and len(token.text) > len(CONTINUES)):
        return _Gap.NONE
    return _Gap.OPEN


def _text_of(token: Token, *, spaced: bool) -> str:
    """A token's text with marks of a space as spaces; word-piece marks are dropped."""
    if spaced:
        return token.text
    if token.text.startswith(_SPACE_MARKS):
        return f" {token.text[1:]}"
    return token.text.removeprefix(CONTINUES) or token.text


def _decoded(tokens: Sequence[Token], start: int) -> Iterator[tuple[str, int, int]]:
    """The characters of tokens that are bytes, each with its first and last token; bytes of no character as they are written."""
    data, owners = bytearray(), list[int]()
    for index, token in enumerate(tokens, start):
        parts = _BYTE.split(token.text)  # text and bytes in turn
        for part, written in enumerate(parts):
            own = bytes([int(written, 16)]) if part % 2 else written.encode("utf-8", "surrogatepass")
            data += own
            owners += [index] * len(own)
    for char, first, last in characters(bytes(data)):
        for one in f"\\x{data[first]:02x}" if char is None else char:
            yield one, owners[first], owners[last]
