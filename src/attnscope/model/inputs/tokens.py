"""Convert token ids to readable tokens, whatever way the tokenizer writes its pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attnscope.trace.byte_level import BYTE_OF
from attnscope.types import Token

Reader = Callable[[int], Token]


def reader(tokenizer: Any) -> Reader:
    """Return a function from a token id to a readable token. Without a tokenizer, the text is the id itself."""
    if tokenizer is None:
        return lambda ident: Token(text=str(ident), id=ident)
    special = set(getattr(tokenizer, "all_special_ids", []))
    added: Mapping[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    special |= {ident for ident, token in added.items() if getattr(token, "special", False)}
    style = _style(tokenizer)

    def read(ident: int) -> Token:
        if ident in special:
            return Token(text=str(tokenizer.convert_ids_to_tokens(ident)), id=ident, special=True)
        if ident in added:
            return Token(text=str(added[ident]), id=ident)
        piece = tokenizer.convert_ids_to_tokens(ident) if 0 <= ident < 2**32 else None
        if piece is None:  # models often have more embeddings than the tokenizer has tokens
            return Token(text=f"<{ident}>", id=ident)
        return _read_piece(str(piece), ident, style)

    return read


@dataclass(frozen=True)
class _Style:
    byte_level: bool
    word_prefix: str | None
    space: str | None


def _style(tokenizer: Any) -> _Style:
    """How this tokenizer writes its pieces, from its own description if it has one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        name = type(tokenizer).__name__
        wordpiece = "Bert" in name or "Electra" in name or "MPNet" in name
        byte_level = hasattr(tokenizer, "byte_decoder")
        return _Style(byte_level, "##" if wordpiece else None, None if wordpiece or byte_level else "▁")
    described = json.loads(backend.to_str())
    model = described.get("model") or {}
    parts = json.dumps([described.get("decoder"), described.get("pre_tokenizer")])
    byte_level = '"ByteLevel"' in parts
    prefix = model.get("continuing_subword_prefix") if model.get("type") == "WordPiece" else None
    spaced = '"Metaspace"' in parts or "\\u2581" in parts
    return _Style(byte_level, prefix, "▁" if spaced else None)


def _read_piece(piece: str, ident: int, style: _Style) -> Token:
    if style.byte_level and all(char in BYTE_OF for char in piece):
        return _from_bytes(bytes(BYTE_OF[char] for char in piece), ident)
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return _from_bytes(bytes([int(piece[3:5], 16)]), ident)
    if style.word_prefix and piece.startswith(style.word_prefix) and len(piece) > len(style.word_prefix):
        return Token(text=piece[len(style.word_prefix) :], id=ident, continues=True)
    return Token(text=piece.replace(style.space, " ") if style.space else piece, id=ident)


def _from_bytes(data: bytes, ident: int) -> Token:
    text = data.decode("utf-8", errors="backslashreplace")
    return Token(text=text, id=ident, raw=text.encode("utf-8") != data)
