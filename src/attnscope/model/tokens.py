"""From text to the model's inputs, and from ids back to tokens that a person can read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError, MissingError
from attnscope.trace.byte_level import BYTE_OF
from attnscope.types import Sentence, Token

Text = str | Sequence[int] | Mapping[str, Any]
Reader = Callable[[int], Token]

_HOW_TO_RUN = frozenset(
    {
        "labels", "use_cache", "cache_position", "logits_to_keep", "num_items_in_batch",
        "output_attentions", "output_hidden_states", "return_dict",
    }
)  # fmt: skip
"""Arguments of a pass that change nothing of the attention; a trace has its own."""

_INSTEAD_OF_TOKENS = frozenset({"inputs_embeds", "past_key_values", "encoder_hidden_states", "encoder_outputs"})

_FOR_EVERY_TOKEN = frozenset({"attention_mask", "token_type_ids", "position_ids"})


@dataclass(frozen=True)
class Encoded:
    """Model inputs (a batch of one) and the tokens they stand for."""

    inputs: dict[str, Tensor]
    tokens: list[Token]
    warnings: list[str]
    text: str | None = None
    pair: str | None = None


def encode(tokenizer: Any, read: Reader, text: Text, pair: str | None = None) -> Encoded:
    """Inputs and tokens of `text`: a string, a list of token ids, or a mapping of ready inputs (a batch of one).

    `read` is what `reader(tokenizer)` gave (finding out how a tokenizer writes takes a while). `pair` is a second sentence,
    joined in the tokenizer's own pair format. Raises `InputError` where nothing is left to
    trace, `MissingError` where a string comes without a tokenizer.
    """
    if isinstance(text, str):
        return _encode_text(tokenizer, read, text, pair)
    if pair is not None:
        raise InputError("A second sentence (`pair`) goes with a text, not with token ids or ready inputs.")
    inputs = _ready(text) if isinstance(text, Mapping) else {"input_ids": _ids(text)}
    ids: list[int] = inputs["input_ids"][0].tolist()
    _require_tokens(ids)
    return Encoded(inputs, [read(one) for one in ids], [])


def _ids(text: Sequence[int]) -> Tensor:
    sequence = isinstance(text, Sequence)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not sequence or not all(isinstance(one, int) and not isinstance(one, bool) and abs(one) < 2**63 for one in text):
        raise InputError("A text is a string, a list of token ids, or a mapping of model inputs; this is none of them.")
    return torch.tensor([list(text)], dtype=torch.long)


def _ready(given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Ready inputs, a batch of one, without what only says how the pass is run."""
    named = {str(name): value for name, value in given.items() if value is not None and str(name) not in _HOW_TO_RUN}
    elsewhere = sorted(_INSTEAD_OF_TOKENS & named.keys())
    if "input_ids" not in named:
        raise InputError(f"Ready inputs need `input_ids`; got {', '.join(sorted(named)) or 'nothing'}.")
    if elsewhere:
        raise InputError(f"A trace starts from token ids alone; leave out {', '.join(elsewhere)}.")
    inputs = {name: _as_batch(name, value) for name, value in named.items()}
    ids = inputs["input_ids"]
    if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex():
        raise InputError(f"`input_ids` are whole numbers [1, tokens]; got {ids.dtype} of shape {tuple(ids.shape)}.")
    for name in _FOR_EVERY_TOKEN & inputs.keys():
        shape = tuple(inputs[name].shape)
        if shape[-1:] != ids.shape[-1:] or (len(shape) == 4 and shape[-2] not in (1, ids.shape[-1])):
            raise InputError(f"`{name}` has shape {shape}, which does not fit {ids.shape[-1]} tokens.")
    return inputs


def _encode_text(tokenizer: Any, read: Reader, text: str, pair: str | None) -> Encoded:
    if tokenizer is None:
        raise MissingError(
            "This model has no tokenizer, so a text cannot be cut into tokens. Pass token ids, or wrap the model with one: "
            "`attnscope.Model(hf_model, tokenizer)`."
        )
    for given in (text, pair or ""):
        if any("\ud800" <= char <= "\udfff" for char in given):
            raise InputError("The text holds half of a surrogate pair, which is no character; remove it and try again.")
    encoding = tokenizer(text, pair, verbose=False) if pair is not None else tokenizer(text, verbose=False)
    ids: list[int] = list(encoding["input_ids"])
    _require_tokens(ids)
    tokens = [read(one) for one in ids]
    warnings: list[str] = []
    if pair is not None:
        sides = _sentences(encoding, tokens, tokenizer, text)
        tokens = [replace(token, sentence=side) for token, side in zip(tokens, sides, strict=True)]
        border = [i for i, side in enumerate(sides) if side == "B"]
        if border and not any(token.special for token in tokens[1 : border[0] + 1]):
            warnings.append(
                "This tokenizer has no pair format of its own: it puts nothing between sentence A and sentence B, and the "
                "model reads them as one text."
            )
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return Encoded(inputs, tokens, warnings, text, pair)


def _sentences(encoding: Any, tokens: list[Token], tokenizer: Any, text: str) -> list[Sentence]:
    """A or B for every token; special tokens belong to the sentence they close (or, at the very start, open)."""
    try:
        own = list(encoding.sequence_ids(0))
    except (ValueError, AttributeError):  # a slow tokenizer does not tell
        own = _sequence_ids(tokens, tokenizer, text)
    first_b = next((i for i, one in enumerate(own) if one == 1), len(own))
    return ["B" if i >= first_b else "A" for i in range(len(own))]


def _sequence_ids(tokens: list[Token], tokenizer: Any, text: str) -> list[int | None]:
    """Which sentence each token is from, by the length of the first one alone."""
    left = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    found: list[int | None] = []
    for token in tokens:
        if token.special:
            found.append(None)
            continue
        found.append(0 if left > 0 else 1)
        left -= 1
    return found


def _require_tokens(ids: Sequence[int]) -> None:
    if not ids:
        raise InputError("The text has no tokens, so there is nothing to trace. Type at least one character.")


def _as_batch(name: object, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name!r} is no array of numbers ({error}).") from error
    if tensor.ndim == 1:
        tensor = tensor[None]
    if tensor.ndim and tensor.shape[0] != 1:
        raise InputError(f"A trace is of one input; {name!r} holds a batch of {tensor.shape[0]}.")
    return tensor


def reader(tokenizer: Any) -> Reader:
    """A function from a token id to the token as a person reads it. Without a tokenizer the id itself is the text."""
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
        piece = tokenizer.convert_ids_to_tokens(ident) if ident >= 0 else None
        if piece is None:  # models often have more embeddings than their tokenizer has tokens
            return Token(text=f"<{ident}>", id=ident)
        return _read_piece(str(piece), ident, style)

    return read


@dataclass(frozen=True)
class _Style:
    byte_level: bool
    word_prefix: str | None
    space: str | None


def _style(tokenizer: Any) -> _Style:
    """How the pieces of this tokenizer are written, from its own description where it has one."""
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
