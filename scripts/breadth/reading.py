"""Whether attnscope reads the tokens of a tokenizer class right: small tokenizers of it encode difficult texts."""

from __future__ import annotations

import copy
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

import attnscope
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.pieces import style_of
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.trace_input import TraceInput
from attnscope.model.inputs.vocabularies import Side, separate_vocabulary, target_ids
from attnscope.types import Token
from breadth.made_tokenizers import made, wrapped
from breadth.outcome import sentence

TEXTS = ("é 中 🙂 a\tb\n the The", "The house, the house!", "🙂🙂 x🙂 é", "  two  spaces ")
"""Texts with characters of several bytes, unknown ones side by side, upper case, tabs, line breaks and spaces."""

Reading = Literal["exact", "without spaces", "as decoded", "wrong", "no texts", "not built"]
READINGS: dict[Reading, str] = {
    "exact": "the tokens, put together, are the text",
    "without spaces": "they are the text apart from its spaces, some of which the tokenizer drops",
    "as decoded": "the tokenizer changes the text (lower case, say), and the tokens are what it decodes itself",
    "wrong": "the tokens show something else: a bug in attnscope",
    "no texts": "the tokenizer takes no plain text",
    "not built": "no small tokenizer of this class could be built here",
}
_WORST: tuple[Reading, ...] = ("wrong", "as decoded", "without spaces", "exact")
_SHARED = "TokenizersBackend"
_EXAMPLES = ("GPT2Tokenizer", "LlamaTokenizer", "T5Tokenizer", "BertTokenizer", "OpenAIGPTTokenizer")
"""One class for each way in which a `tokenizer.json` writes pieces."""


@dataclass(frozen=True)
class TokenOutcome:
    """The cell of a model type: the class of its tokenizer, how that writes pieces, and how well they are read."""

    tokenizer: str
    pieces: str
    reading: Reading
    note: str = ""

    def as_dict(self) -> dict[str, str]:
        """As JSON values, without empty ones."""
        return {name: value for name, value in asdict(self).items() if value}


def tokenizer_class(model_type: str) -> str:
    """The class that transformers loads for a model type. Types without a class of their own only have a `tokenizer.json`."""
    for name in (model_type, re.sub(r"_text(_model)?$", "", model_type)):
        found = TOKENIZER_MAPPING_NAMES.get(name)
        if found:
            return str(found)
    return _SHARED


def with_tokens(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table with its cell `tokens`, if the type reads or writes text."""
    own = {name: value for name, value in row.items() if name != "tokens"}
    if "text" not in own.get("kind", ""):
        return own
    return {**own, "tokens": read_back(tokenizer_class(own["type"])).as_dict()}


@cache
def read_back(name: str) -> TokenOutcome:
    """The outcome of one tokenizer class."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == _SHARED:
            found: list[Reading] = [reading_of(wrapped(made(example, Path(folder, example)))) for example in _EXAMPLES]
            return TokenOutcome(name, "tokenizer.json", min(found, key=_WORST.index))
        try:
            tokenizer = made(name, Path(folder))
        except Exception as error:  # whatever the class needs that is not made here
            return TokenOutcome(name, "", "not built", sentence(str(error)))
        try:
            return TokenOutcome(name, pieces_of(tokenizer), reading_of(tokenizer))
        except attnscope.InputError as error:
            return TokenOutcome(name, pieces_of(tokenizer), "no texts", sentence(str(error)))
        except ImportError as error:
            return TokenOutcome(name, "", "not built", sentence(str(error)))


def pieces_of(tokenizer: Any) -> str:
    """How a tokenizer writes its pieces, in words."""
    if separate_vocabulary(tokenizer, "target") is not None:
        return "two vocabularies"
    style, backend = style_of(tokenizer), getattr(tokenizer, "backend_tokenizer", None)
    model = "" if backend is None else type(backend.model).__name__
    if model == "Unigram" or (style.space and not model):
        return "SentencePiece"
    if style.bytes is not None:
        return "byte-level BPE" if style.bytes == "alphabet" else "bytes"
    if style.continuation:
        return "WordPiece"
    if style.space:
        return "SentencePiece BPE"
    return "BPE" if style.word_end or style.unfinished or model == "BPE" else "characters"


def reading_of(tokenizer: Any) -> Reading:
    """How well the tokens of a tokenizer are read: the worst result of all texts."""
    found: list[Reading] = [_source(tokenizer, text) for text in TEXTS]
    if separate_vocabulary(tokenizer, "target") is not None:
        found.extend(_target(tokenizer, text) for text in TEXTS)
    return min(found, key=_WORST.index)


def _source(tokenizer: Any, text: str) -> Reading:
    tokens = encode(tokenizer, reader(tokenizer), TraceInput("text", text)).tokens
    shown = [token for token in tokens if not token.special or token.given is not None]
    return _compared(text, _joined(shown), _decoded(tokenizer, tokens, "source"), _joined(tokens, given=False))


def _target(tokenizer: Any, text: str) -> Reading:
    tokens = reader(tokenizer, "target").all(target_ids(tokenizer, text))
    shown = [token for token in tokens if not token.special]
    return _compared(text, _joined(shown), _decoded(tokenizer, tokens, "target"), _joined(tokens, given=False))


def _compared(text: str, shown: str, decoded: str, named: str) -> Reading:
    if shown in (text, f" {text}"):  # SentencePiece puts a space before a text
        return "exact"
    if _dense(shown) == _dense(text):
        return "without spaces"
    return "as decoded" if _dense(named) == _dense(decoded) else "wrong"


def _joined(tokens: Sequence[Token], *, given: bool = True) -> str:
    """The texts of tokens put together. Bytes become characters; with `given`, unknown tokens become their source text."""
    data = b""
    for token in tokens:
        if token.raw:
            parts = re.split(r"\\x([0-9a-f]{2})", token.text)
            data += b"".join(bytes([int(part, 16)]) if at % 2 else part.encode() for at, part in enumerate(parts))
        else:
            data += (token.given if given and token.given is not None else token.text).encode()
    return data.decode(errors="replace")


def _decoded(tokenizer: Any, tokens: Sequence[Token], side: Side) -> str:
    """What the tokenizer itself makes of the ids."""
    options = {"clean_up_tokenization_spaces": False}
    if side == "source" and separate_vocabulary(tokenizer, "source") is not None:  # such tokenizers decode targets
        tokenizer = copy.copy(tokenizer)
        tokenizer.decoder = {ident: piece for piece, ident in tokenizer.encoder.items()}
    return str(tokenizer.decode([token.id for token in tokens], **options))


def _dense(text: str) -> str:
    return re.sub(r"\s+", "", text)
