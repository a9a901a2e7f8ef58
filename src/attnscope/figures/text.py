"""What is written in a figure: tokens as a person reads them, in fonts that have their characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, fontManager, get_font

from attnscope.appearance.characters import CONTINUES, code_point, face, printable
from attnscope.types import Token

PREFERRED = (
    *("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"),
    *("Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Micro Hei"),
    *("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Thai"),
    *("Arial Unicode MS", "Unifont", "Noto Sans Symbols", "Noto Sans Symbols 2", "Segoe UI Symbol", "Symbola"),
    "Noto Emoji",
)
"""Fonts in the order in which a character is looked for; those that are not installed are passed over."""

_PLAIN_SCRIPT = frozenset({"Lu", "Ll", "Lm", "Nd"})  # scripts that put spaces between words
_FINE = 10


def labels(tokens: Sequence[Token]) -> list[str]:
    """The tokens as they are printed: no leading space, `##` before what continues a word, controls and bytes visible.

    Tokenizers that mark the start of a word by its space do not mark a continuation; where any token has such a space,
    a letter or digit right after another one is a continuation.
    """
    spaced = any(token.text.startswith(" ") for token in tokens)
    found: list[str] = []
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        goes_on = token.continues or (spaced and before is not None and _same_word(before, token))
        text = face(token.text, name=token.special or token.box is not None)
        found.append(f"{CONTINUES}{text}" if goes_on else text)
    return found


def _same_word(before: Token, token: Token) -> bool:
    if before.special or token.special or before.raw or token.raw or not before.text or not token.text:
        return False
    return all(unicodedata.category(char) in _PLAIN_SCRIPT for char in (before.text[-1], token.text[0]))


class Fonts:
    """The fonts of one figure, and how wide and whether at all they write a text.

    `first` is a family to be tried before the others. A character that no installed font has is written as its code point
    (`\\u4f60`), so nothing is drawn as an empty box.
    """

    def __init__(self, first: str | None = None) -> None:
        installed = {entry.name for entry in fontManager.ttflist}
        wanted = PREFERRED if first is None else (first, *PREFERRED)
        self.families = [name for name in dict.fromkeys(wanted) if name in installed]
        self.missing = first is not None and first not in installed
        self._chars = _characters(tuple(self.families))

    def properties(self, size: float, *, bold: bool = False) -> FontProperties:
        """The font at a size in points."""
        return FontProperties(family=[*self.families, "sans-serif"], size=size, weight="bold" if bold else "normal")

    def written(self, text: str) -> str:
        """The text as these fonts can write it."""
        return "".join(char if ord(char) in self._chars else code_point(char) for char in printable(text))

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Width in points of a text that `written` returned."""
        return _width(text, size, bold, tuple(self.families))

    def fitted(self, text: str, size: float, room: float, *, bold: bool = False) -> str:
        """The text, shortened with an ellipsis where it is wider than `room` points."""
        whole = self.written(text)
        if self.width(whole, size, bold=bold) <= room:
            return whole
        kept = len(whole)
        while kept > 1 and self.width(f"{whole[:kept]}…", size, bold=bold) > room:
            kept -= 1
        return f"{whole[:kept]}…"


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    """The code points that at least one of the families has, both regular and bold."""
    by_weight: list[set[int]] = []
    for weight in ("normal", "bold"):
        chars: set[int] = set()
        for family in families:
            path = fontManager.findfont(FontProperties(family=family, weight=weight), fallback_to_default=False)
            chars.update(get_font(path).get_charmap())
        by_weight.append(chars)
    return frozenset(by_weight[0] & by_weight[1])


@cache
def _ruler() -> RendererAgg:
    return RendererAgg(8, 8, 72 * _FINE)


@cache
def _width(text: str, size: float, bold: bool, families: tuple[str, ...]) -> float:  # noqa: FBT001 - for the cache
    font = FontProperties(family=list(families), size=size, weight="bold" if bold else "normal")
    return _ruler().get_text_width_height_descent(text, font, ismath=False)[0] / _FINE
