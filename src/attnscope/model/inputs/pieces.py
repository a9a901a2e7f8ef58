"""How a tokenizer writes its pieces: as text with marks, as characters, or as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from attnscope.trace.byte_level import BYTE_OF

_PROBE, _LETTERS = "é€", "the"
"""A text whose characters have several bytes, and a word: what a tokenizer makes of them shows how it writes its pieces."""


@dataclass(frozen=True)
class PieceStyle:
    """How pieces are written.

    Attributes:
        bytes: Whether pieces are bytes: in GPT-2's printable alphabet, or as the characters U+0000 to U+00FF (ByT5).
        continuation: The mark before a piece that continues a word ("##" in WordPiece).
        space: The character that stands for a space ("▁" in SentencePiece).
        word_end: The mark after the last piece of a word ("</w>").
        unfinished: The mark after every other piece of a word ("@@").
    """

    bytes: Literal["alphabet", "characters"] | None = None
    continuation: str | None = None
    space: str | None = None
    word_end: str | None = None
    unfinished: str | None = None

    def data(self, piece: str) -> bytes | None:
        """The bytes that a piece stands for; None for a piece that is written as text."""
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        if self.bytes == "alphabet" and all(char in BYTE_OF for char in piece):
            return bytes(BYTE_OF[char] for char in piece)
        if self.bytes == "characters" and all(ord(char) < 256 for char in piece):
            return piece.encode("latin-1")
        return None


def style_of(tokenizer: Any, pieces: Iterable[str] | None = None) -> PieceStyle:
    """The style of a tokenizer, from its own description, else from what it makes of a text and from its vocabulary.

    `pieces` is the vocabulary, by default the tokenizer's own.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return _described(json.loads(backend.to_str()))
    if isinstance(getattr(tokenizer, "word_delimiter_token", None), str):  # letters of speech: Wav2Vec2
        return PieceStyle(space=tokenizer.word_delimiter_token)
    written = _tokenized(tokenizer, _PROBE)
    if written == [chr(byte) for byte in _PROBE.encode()]:
        return PieceStyle(bytes="characters")
    if written == list(_PROBE) and _tokenized(tokenizer, _LETTERS) == list(_LETTERS):
        return PieceStyle()
    data = PieceStyle(bytes="alphabet").data("".join(written))
    if hasattr(tokenizer, "byte_decoder") or (written and data == _PROBE.encode()):
        return PieceStyle(bytes="alphabet")
    if pieces is None:
        vocabulary: Callable[[], Mapping[str, int]] | None = getattr(tokenizer, "get_vocab", None)
        pieces = vocabulary() if vocabulary is not None else ()
    return _counted(pieces)


def _described(description: Mapping[str, Any]) -> PieceStyle:
    """The style of a fast tokenizer."""
    model = description.get("model") or {}
    parts = json.dumps([description.get("decoder"), description.get("pre_tokenizer")])
    spaced = '"Metaspace"' in parts or "\\u2581" in parts
    return PieceStyle(
        bytes="alphabet" if '"ByteLevel"' in parts else None,
        continuation=model.get("continuing_subword_prefix") or None,
        space="▁" if spaced else None,
        word_end=model.get("end_of_word_suffix") or None,
    )


def _counted(pieces: Iterable[str]) -> PieceStyle:
    """The style whose mark most pieces of a vocabulary have."""
    counts = {"##": 0, "▁": 0, "</w>": 0, "@@": 0}
    for piece in pieces:
        for mark in ("##", "▁"):
            counts[mark] += piece.startswith(mark)
        for mark in ("</w>", "@@"):
            counts[mark] += piece.endswith(mark)
    mark = max(counts, key=lambda one: counts[one])
    if not counts[mark]:
        return PieceStyle()
    return PieceStyle(
        continuation=mark if mark == "##" else None,
        space=mark if mark == "▁" else None,
        word_end=mark if mark == "</w>" else None,
        unfinished=mark if mark == "@@" else None,
    )


def _tokenized(tokenizer: Any, text: str) -> list[str]:
    """The pieces of a text; none if the tokenizer does not say."""
    tokenize: Callable[[str], list[str]] | None = getattr(tokenizer, "tokenize", None)
    return [str(piece) for piece in tokenize(text)] if tokenize is not None else []
