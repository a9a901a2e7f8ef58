"""Tokenizers without a fast version: bytes, characters, marks at the end of words, and where unknown tokens are in the text."""

from __future__ import annotations

from typing import Any

import pytest
import transformers as tf
from breadth.made_tokenizers import made
from helpers import tiny_models

import attnscope
from attnscope.model.inputs.alignment import unknown_spans
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.trace_input import TraceInput
from attnscope.types import Token


def tokens_of(tokenizer: Any, text: str) -> list[Token]:
    return encode(tokenizer, reader(tokenizer), TraceInput("text", text)).tokens


@pytest.mark.parametrize("kind", [tf.ByT5Tokenizer, tf.PerceiverTokenizer])
def test_bytes_are_shown_as_bytes_with_their_character(kind: Any) -> None:
    text = "é 中\n🙂 the"
    tokens = [token for token in tokens_of(kind(), text) if not token.special]
    expected = [
        (f"\\x{byte:02x}", char) if len(char.encode()) > 1 else (char, None) for char in text for byte in char.encode()
    ]
    assert [(token.text, token.given) for token in tokens] == expected
    assert [token.raw for token in tokens] == [given is not None for _, given in expected]


def test_bytes_of_a_target_of_token_ids_and_of_a_chat_have_their_character() -> None:
    config = tf.T5Config(**{**tiny_models._T5, "vocab_size": 384})
    model = attnscope.Model(tf.T5ForConditionalGeneration(config).eval(), tf.ByT5Tokenizer())
    trace = model.trace("é", target="中!")
    assert [(token.text, token.given) for token in trace.tokens[1:]] == [
        ("\\xe4", "中"), ("\\xb8", "中"), ("\\xad", "中"), ("!", None),
    ]  # fmt: skip
    ids = [token.id for token in trace.sides["source"]]
    assert model.trace(ids, target=[0, 5]).sides["source"] == trace.sides["source"]
    lone = model.trace(ids[1:], target=[0, 5]).sides["source"]
    assert lone[0].raw and lone[0].given is None


def test_bytes_of_ids_have_the_character_that_the_text_has(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace("a 🦊, é 🦊🦊")
    assert smollm2.trace([token.id for token in trace.tokens]).tokens == trace.tokens
    assert smollm2.trace("🦊").tokens[0].given == "🦊"


def test_code_points_are_characters_and_special_ones_have_names() -> None:
    tokens = tokens_of(tf.CanineTokenizer(), "é 中\n🙂")
    assert [token.text for token in tokens] == ["[CLS]", *"é 中\n🙂", "[SEP]"]
    assert not any(token.raw or token.given for token in tokens)
    assert [token.special for token in tokens] == [True, *[False] * 5, True]


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("CLIPTokenizer", "</w>"),
        ("OpenAIGPTTokenizer", "</w>"),
        ("HerbertTokenizer", "</w>"),
        ("BioGptTokenizer", "</w>"),
        ("CTRLTokenizer", "@@"),
        ("PhobertTokenizer", "@@"),
        ("TapasTokenizer", "##"),
        ("ProphetNetTokenizer", "##"),
    ],
)
def test_marks_of_words_become_continuations(name: str, marks: str, tmp_path: Any) -> None:
    tokenizer = made(name, tmp_path)
    assert any(marks in piece for piece in tokenizer.get_vocab())
    tokens = [token for token in tokens_of(tokenizer, "the xyz das") if not token.special]
    assert not any(marks in token.text for token in tokens)
    words = "".join(("" if token.continues else " ") + token.text for token in tokens)
    assert words.split() == ["the", "xyz", "das"]


def test_a_special_token_between_words_begins_a_new_word(tmp_path: Any) -> None:
    tokenizer = made("CTRLTokenizer", tmp_path)
    unfinished = next(ident for piece, ident in tokenizer.get_vocab().items() if piece == "x@@")
    whole = next(ident for piece, ident in tokenizer.get_vocab().items() if piece == "a")
    read = reader(tokenizer)
    assert [token.continues for token in read.all([unfinished, whole])] == [False, True]
    assert [token.continues for token in read.all([unfinished, tokenizer.unk_token_id, whole])] == [False, False, False]


def _token(text: str) -> Token:
    return Token(text=text, id=0 if text == "?" else 1, special=text in ("?", "[CLS]"))


@pytest.mark.parametrize(
    ("text", "tokens", "given"),
    [
        ("the 🦊 ran", ["the", "?", "ran"], ["🦊"]),
        ("🦊 the", ["[CLS]", "?", "the", "[CLS]"], ["🦊"]),
        ("🦊 🐻 ran", ["?", "?", "ran"], ["🦊", "🐻"]),
        ("x🦊🐻", ["x", "?", "?"], ["🦊", "🐻"]),
        ("x🦊🐻🐨", ["x", "?", "?"], [None, None]),  # two tokens for three characters
        ("🦊 🐻 x", ["?", "x"], [None]),  # one token for two words
        ("a\tb", ["a", "?", "b"], ["\t"]),
        ("É 🦊", ["e", "?"], ["🦊"]),  # lower case without accents
        ("a a 🦊 a", ["a", "?", "a"], [None]),  # the second "a" may be the known or the unknown one
        ("ﬁ 🦊", ["fi", "?"], [None]),  # normalized: the text differs
        ("a [CLS] 🦊", ["a", "[CLS]", "?"], ["🦊"]),
        ("", ["[CLS]"], []),
    ],
)
def test_unknown_tokens_are_found_only_where_it_is_certain(
    text: str, tokens: list[str], given: list[str | None]
) -> None:
    spans = unknown_spans(text, [_token(one) for one in tokens], 0)
    found = [
        None if span is None else text[slice(*span)] for one, span in zip(tokens, spans, strict=True) if one == "?"
    ]
    assert found == given
    assert all(span is None for one, span in zip(tokens, spans, strict=True) if one != "?")


def test_a_slow_tokenizers_unknown_words_are_given(tmp_path: Any) -> None:
    tokens = tokens_of(made("MarianTokenizer", tmp_path), "the 🦊 house 🐻🐻")
    assert [token.given for token in tokens if token.id == 1] == ["🦊", "🐻🐻"]


def test_language_codes_are_special_tokens(tmp_path: Any) -> None:
    tokens = tokens_of(made("M2M100Tokenizer", tmp_path), "the")
    assert [(token.text, token.special) for token in tokens] == [("__en__", True), (" the", False), ("</s>", True)]


def test_pieces_may_be_bytes_objects() -> None:
    class Tiktoken:
        all_special_ids = ()

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

        def convert_ids_to_tokens(self, ident: int) -> bytes:
            return [b" the", b"\xf0\x9f", b"\xa6\x8a"][ident]

    tokens = reader(Tiktoken()).all([0, 1, 2])
    assert [(token.text, token.given) for token in tokens] == [
        (" the", None),
        ("\\xf0\\x9f", "🦊"),
        ("\\xa6\\x8a", "🦊"),
    ]
