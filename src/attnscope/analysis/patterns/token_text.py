"""The written text of a list of tokens: its words, and the text with the tokens of each character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attnscope.trace.words import Char, Span, characters_of, is_word_character, plain_character
from attnscope.types import Token


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters and digits, and its tokens."""

    text: str
    tokens: Span


def words_of(tokens: Sequence[Token]) -> list[Word]:
    """The words of the text, without punctuation. Padding and special tokens have none."""
    return [Word("".join(one.char for one in run), _tokens(run)) for run in _runs(visible(tokens), spaced=False)]


def spaced_words_of(tokens: Sequence[Token]) -> list[Word]:
    """What stands between two spaces, punctuation included."""
    return [Word("".join(one.char for one in run), _tokens(run)) for run in _runs(visible(tokens), spaced=True)]


@dataclass(frozen=True)
class Written:
    """The text as a person reads it. `chars[i]` is the character at i of `text`; None for a space or line break."""

    text: str
    chars: tuple[Char | None, ...]

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Written:
        """Write the tokens out."""
        text: list[str] = []
        chars: list[Char | None] = []
        for one in visible(tokens):
            if one.space and text:
                text.append(one.space)
                chars.append(None)
            text.append(one.char)
            chars.append(one)
        return cls("".join(text), tuple(chars))

    def tokens(self, start: int, end: int) -> Span:
        """The tokens of a part of the text."""
        return _tokens([one for one in self.chars[start:end] if one is not None])


def visible(tokens: Sequence[Token]) -> list[Char]:
    """The visible characters of all tokens but padding."""
    return [one for one in characters_of(tokens) if not tokens[one.first].padding]


def parts_of(tokens: Sequence[Token]) -> list[int]:
    """A number for each token: the same within a sentence of a pair and a message of a chat, another one for the next."""
    numbers: list[int] = []
    for at, token in enumerate(tokens):
        changed = at > 0 and (token.sentence, token.role) != (tokens[at - 1].sentence, tokens[at - 1].role)
        numbers.append(numbers[-1] + changed if numbers else 0)
    return numbers


def folded(text: str) -> str:
    """A text in lower case and without accents, as uncased tokenizers see it."""
    return "".join(map(plain_character, text))


def _runs(chars: Sequence[Char], *, spaced: bool) -> list[list[Char]]:
    """The characters of each word."""
    runs: list[list[Char]] = []
    before: Char | None = None
    for one in chars:
        continues = not one.space if spaced else one.joined
        if before is not None and continues:
            runs[-1].append(one)
        elif spaced or is_word_character(one.char):
            runs.append([one])
        before = one
    return runs


def _tokens(chars: Sequence[Char]) -> Span:
    return tuple(sorted({token for one in chars for token in range(one.first, one.last + 1)}))
