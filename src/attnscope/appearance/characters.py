"""Text in which every character can be seen."""

from __future__ import annotations

import unicodedata

from attnscope.appearance.shared import shared

_CHARACTERS = shared()["characters"]
SIGNS: dict[str, str] = _CHARACTERS["signs"]
SPACE: str = _CHARACTERS["space"]
CONTINUES: str = _CHARACTERS["continues"]
EMPTY: str = _CHARACTERS["empty"]
_MARK_BASE: str = _CHARACTERS["mark_base"]


def face(text: str, *, name: bool = False) -> str:
    """A token's text without its leading space: spaces, line breaks and tabs as signs, an accent alone on a circle.

    With `name` it is that of a special token or a patch, whose spaces are no part of a text.
    """
    if name and text.strip():
        return text
    if not text:
        return EMPTY
    rest = text.lstrip(" ")
    if not rest:
        return SPACE * len(text)
    seen = "".join(SIGNS.get(char, char) for char in rest.replace(" ", SPACE))
    return f"{_MARK_BASE}{seen}" if unicodedata.category(seen[0]).startswith("M") else seen


def printable(text: str) -> str:
    """Text in which controls, bidirectional overrides and lone surrogates are written as their code points."""
    return "".join(char if _is_seen(char) else code_point(char) for char in text)


def code_point(char: str) -> str:
    """A character as Python escapes it: `\\x00`, `\\u202e`, `\\U000e0041`."""
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _is_seen(char: str) -> bool:
    return char == " " or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
