"""The alphabet in which byte-level tokenizers write: every byte as a printable character (Radford et al. 2019, GPT-2)."""

from __future__ import annotations

from collections.abc import Sequence


def _alphabet() -> dict[str, int]:
    """Printable Latin-1 stands for itself, other bytes follow from U+0100."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTE_OF = _alphabet()
"""The byte that each character of the alphabet stands for."""


def prettified(tokens: Sequence[str]) -> list[str]:
    """Tokens as tokenizers write them, made readable: `Ġthe` and `▁the` become ` the`, `the</w>` becomes `the`.

    Where a `Ġ` tells that the tokenizer is byte-level, other bytes are decoded too (`caf` + `Ã©` becomes `caf` + `é`).
    """
    byte_level = any("Ġ" in token for token in tokens)
    return [_pretty(token, byte_level=byte_level) for token in tokens]


def _pretty(token: str, *, byte_level: bool) -> str:
    if byte_level and all(char in BYTE_OF for char in token):
        try:
            return bytes(BYTE_OF[char] for char in token).decode()
        except UnicodeDecodeError:  # a part of a character
            return token.replace("Ġ", " ")
    return token.replace("Ġ", " ").replace("▁", " ").replace("</w>", "")
