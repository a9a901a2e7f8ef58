"""Convert token ids to readable tokens, whatever way the tokenizer writes its pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from attnscope.model.inputs.pieces import PieceStyle, style_of
from attnscope.model.inputs.vocabularies import Side, separate_vocabulary
from attnscope.trace.byte_level import characters
from attnscope.types import Token

_NAMES = ("cls", "sep", "mask", "pad", "unk", "bos", "eos")


class Reader:
    """Converts token ids of one side of a tokenizer to readable tokens: `read(ident)` one, `read.all(ids)` a text.

    Without a tokenizer, the text of a token is the id itself. `side` matters for tokenizers with separate vocabularies for
    source and target.
    """

    def __init__(self, tokenizer: Any, side: Side = "source") -> None:
        self._tokenizer = tokenizer
        self._added: Mapping[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
        self._separate = separate_vocabulary(tokenizer, side)
        self._special = self._special_ids()
        pieces = None if self._separate is None else self._separate.values()
        self._style = PieceStyle() if tokenizer is None else style_of(tokenizer, pieces)

    def __call__(self, ident: int) -> Token:
        """The token of an id, on its own."""
        return self._read(ident)[0]

    def all(self, ids: Sequence[int]) -> list[Token]:
        """The tokens of a text.

        Bytes get the character that they are part of (`given`), and pieces after an unfinished word continue it.
        """
        read = [self._read(ident) for ident in ids]
        tokens = _with_characters([token for token, _ in read], [data for _, data in read])
        if self._style.word_end is None and self._style.unfinished is None:
            return tokens
        unfinished = [self._is_unfinished(token) for token in tokens]
        return [
            replace(token, continues=True) if at and unfinished[at - 1] and not token.special else token
            for at, token in enumerate(tokens)
        ]

    def _special_ids(self) -> set[int]:
        if self._separate is not None:
            names = set(self._tokenizer.all_special_tokens)
            return {ident for ident, piece in self._separate.items() if piece in names}
        special = {*getattr(self._tokenizer, "all_special_ids", []), *getattr(self._tokenizer, "id_to_lang_token", {})}
        return special | {ident for ident, token in self._added.items() if getattr(token, "special", False)}

    def _read(self, ident: int) -> tuple[Token, bytes | None]:
        """The token of an id, and its bytes if it is written as bytes."""
        if self._tokenizer is None:
            return Token(text=str(ident), id=ident), None
        if ident in self._special:
            return Token(text=self._name(str(self._piece(ident))), id=ident, special=True), None
        if ident in self._added and (self._separate is None or ident not in self._separate):
            text = str(self._added[ident])
            return Token(text=" " if text == self._style.space else text, id=ident), None
        piece = self._piece(ident)
        if piece is None:  # models often have more embeddings than the tokenizer has tokens
            return Token(text=f"<{ident}>", id=ident), None
        return _read_piece(piece, ident, self._style)

    def _piece(self, ident: int) -> str | bytes | None:
        """How the tokenizer writes an id; None if it has no such token."""
        if self._separate is not None:
            return self._separate.get(ident, str(self._added[ident]) if ident in self._added else None)
        return self._tokenizer.convert_ids_to_tokens(ident) if 0 <= ident < 2**32 else None

    def _name(self, text: str) -> str:
        """The text of a special token; its role ("[CLS]") where that is a character without a shape, as in CANINE."""
        if any(not unicodedata.category(char).startswith(("C", "Z")) for char in text):
            return text
        names = (name for name in _NAMES if getattr(self._tokenizer, f"{name}_token", None) == text)
        return next((f"[{name.upper()}]" for name in names), text)

    def _is_unfinished(self, token: Token) -> bool:
        """Whether the word of this token goes on with the next one."""
        piece, style = self._piece(token.id), self._style
        if token.special or token.id in self._added or not isinstance(piece, str):
            return False
        if style.word_end is not None:
            return not piece.endswith(style.word_end)
        return style.unfinished is not None and piece.endswith(style.unfinished)


def reader(tokenizer: Any, side: Side = "source") -> Reader:
    """The reader of one side of a tokenizer."""
    return Reader(tokenizer, side)


def _read_piece(piece: str | bytes, ident: int, style: PieceStyle) -> tuple[Token, bytes | None]:
    if isinstance(piece, bytes):  # tiktoken's pieces
        return _from_bytes(piece, ident)
    for mark in (style.word_end, style.unfinished):
        if mark and len(piece) > len(mark):
            piece = piece.removesuffix(mark)
    data = style.data(piece)
    if data is not None:
        return _from_bytes(data, ident)
    if style.continuation and piece.startswith(style.continuation) and len(piece) > len(style.continuation):
        return Token(text=piece[len(style.continuation) :], id=ident, continues=True), None
    return Token(text=piece.replace(style.space, " ") if style.space else piece, id=ident), None


def _from_bytes(data: bytes, ident: int) -> tuple[Token, bytes]:
    text = data.decode("utf-8", errors="backslashreplace")
    return Token(text=text, id=ident, raw=text.encode("utf-8") != data), data


def _with_characters(tokens: list[Token], data: Sequence[bytes | None]) -> list[Token]:
    """Set `given` on bytes that are part of a character: neighbors hold its other bytes."""
    found = list(tokens)
    at = 0
    while at < len(tokens):
        end = at
        while end < len(tokens) and tokens[end].raw:
            end += 1
        owners = [index for index in range(at, end) for _ in data[index] or b""]
        parts: dict[int, list[str | None]] = {index: [] for index in range(at, end)}
        for char, first, last in characters(b"".join(data[index] or b"" for index in range(at, end))):
            for index in range(owners[first], owners[last] + 1):
                parts[index].append(char)
        for index, chars in parts.items():
            given = "".join(char or "" for char in chars).strip()
            if given and None not in chars:
                found[index] = replace(tokens[index], given=given)
        at = max(end, at + 1)
    return found
