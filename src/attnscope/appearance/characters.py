"""Text in which every character is visible."""

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
    """Return a token's text without its leading space, with spaces, line breaks and tabs as visible signs.

    A combining mark on its own is placed on a dotted circle. Pass `name=True` for a special token or a patch: its text is a
    name, so spaces inside it stay as they are.
    """
    if name and text.strip():
        return text
    if not text:
        return EMPTY
    rest = text.lstrip(" ")
    if not rest:
        return SPACE * len(text)
    visible = "".join(SIGNS.get(char, char) for char in rest.replace(" ", SPACE))
    return f"{_MARK_BASE}{visible}" if unicodedata.category(visible[0]).startswith("M") else visible


def printable(text: str) -> str:
    """Return the text with control characters, bidirectional overrides and lone surrogates escaped as code points."""
    return "".join(char if _is_visible(char) else code_point(char) for char in text)


def code_point(char: str) -> str:
    """Return a character as Python escapes it: `\\x00`, `\\u202e`, `\\U000e0041`."""
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _is_visible(char: str) -> bool:
    return char == " " or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
