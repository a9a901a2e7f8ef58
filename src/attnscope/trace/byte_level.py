"""The alphabet of byte-level tokenizers, which write every byte as a printable character (Radford et al. 2019, GPT-2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


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


def characters(data: bytes) -> Iterator[tuple[str | None, int, int]]:
    """The characters of UTF-8 data, each with the indices of its first and last byte; None for a byte of no character."""
    at = 0
    while at < len(data):
        lead = data[at]
        size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            char = data[at : at + size].decode("utf-8")
        except UnicodeDecodeError:
            yield None, at, at
            at += 1
            continue
        yield char, at, at + size - 1
        at += size
