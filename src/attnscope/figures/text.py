"""Text in figures: readable token labels, in fonts that have the characters."""

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
"""Fonts to search for a character, in this order. Fonts that are not installed are skipped."""

_PLAIN_SCRIPT = frozenset({"Lu", "Ll", "Lm", "Nd"})  # scripts that put spaces between words
_FINE = 10


def labels(tokens: Sequence[Token]) -> list[str]:
    """Return the tokens as labels: no leading space, `##` before a continuation, control characters and bytes visible.

    Some tokenizers mark the start of a word with a space instead of marking continuations. If any token starts with a space,
    a token whose first letter or digit directly follows another letter or digit is labeled as a continuation.
    """
    spaced = any(token.text.startswith(" ") for token in tokens)
    found: list[str] = []
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        continues = token.continues or (spaced and before is not None and _same_word(before, token))
        text = face(token.text, name=token.special or token.box is not None)
        found.append(f"{CONTINUES}{text}" if continues else text)
    return found


def _same_word(before: Token, token: Token) -> bool:
    if before.special or token.special or before.raw or token.raw or not before.text or not token.text:
        return False
    return all(unicodedata.category(char) in _PLAIN_SCRIPT for char in (before.text[-1], token.text[0]))


class Fonts:
    """The fonts of one figure, with the characters they have and the widths of texts.

    `first` is a font family to try before the others. A character missing from all installed fonts is written as its code
    point (`\\u4f60`), so that nothing appears as an empty box.
    """

    def __init__(self, first: str | None = None) -> None:
        installed = {entry.name for entry in fontManager.ttflist}
        wanted = PREFERRED if first is None else (first, *PREFERRED)
        self.families = [name for name in dict.fromkeys(wanted) if name in installed]
        self.missing = first is not None and first not in installed
        self._chars = _characters(tuple(self.families))

    def properties(self, size: float, *, bold: bool = False) -> FontProperties:
        """Return the font properties for a size in points."""
        return FontProperties(family=[*self.families, "sans-serif"], size=size, weight="bold" if bold else "normal")

    def written(self, text: str) -> str:
        """Return the text with missing characters replaced by code points."""
        return "".join(char if ord(char) in self._chars else code_point(char) for char in printable(text))

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Return the width in points of a text returned by `written`."""
        return _width(text, size, bold, tuple(self.families))

    def fitted(self, text: str, size: float, room: float, *, bold: bool = False) -> str:
        """Return the text, shortened with an ellipsis if it is wider than `room` points."""
        whole = self.written(text)
        if self.width(whole, size, bold=bold) <= room:
            return whole
        kept = len(whole)
        while kept > 1 and self.width(f"{whole[:kept]}…", size, bold=bold) > room:
            kept -= 1
        return f"{whole[:kept]}…"


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    """Return the code points that the families cover together, in both regular and bold."""
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
