"""The alphabet of byte-level tokenizers, which write every byte as a printable character (Radford et al. 2019, GPT-2)."""

from __future__ import annotations

from collections.abc import Sequence


def _alphabet() -> dict[str, int]:
    """Printable Latin-1 bytes map to themselves; the other bytes are numbered from U+0100."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTE_OF = _alphabet()
"""Maps each character of the alphabet to its byte."""


def prettify(tokens: Sequence[str]) -> list[str]:
    """Make a tokenizer's raw tokens readable: `Ġthe` and `▁the` become ` the`, `the</w>` becomes `the`.

    If any token contains `Ġ`, the tokenizer is taken to be byte-level and other bytes are decoded too: `Ã©` becomes `é`.
    """
    byte_level = any("Ġ" in token for token in tokens)
    return [_pretty(token, byte_level=byte_level) for token in tokens]


def _pretty(token: str, *, byte_level: bool) -> str:
    if byte_level and all(char in BYTE_OF for char in token):
        try:
            return bytes(BYTE_OF[char] for char in token).decode()
        except UnicodeDecodeError:  # only part of a multi-byte character
            return token.replace("Ġ", " ")
    return token.replace("Ġ", " ").replace("▁", " ").replace("</w>", "")
