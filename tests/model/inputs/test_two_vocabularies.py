"""Tokenizers with a vocabulary for each side: every token is read with the side that made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from breadth.made_tokenizers import fsmt, marian
from helpers import tiny_models

import attnscope
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.vocabularies import target_ids


def _pieces(path: Path) -> dict[int, str]:
    return {ident: piece for piece, ident in json.loads(path.read_text(encoding="utf-8")).items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marian")


@pytest.fixture(scope="module")
def translator(folder: Path) -> attnscope.Model:
    """A tiny Marian whose two vocabularies have different pieces, and different sizes."""
    tokenizer = marian(folder)
    sizes = {
        "vocab_size": len(_pieces(folder / "vocab.json")),
        "decoder_vocab_size": len(_pieces(folder / "target_vocab.json")),
    }
    assert sizes["vocab_size"] != sizes["decoder_vocab_size"]
    sides = {name: value for name, value in tiny_models._SIDES.items() if name != "vocab_size"}
    pad = sizes["decoder_vocab_size"] - 1
    sides["decoder_start_token_id"] = pad
    config = tf.MarianConfig(**sides, **sizes, share_encoder_decoder_embeddings=False, pad_token_id=0, eos_token_id=0)
    torch.manual_seed(0)
    return attnscope.Model(tf.MarianMTModel(config).eval(), tokenizer)


def test_each_side_of_a_marian_tokenizer_is_read_with_its_own_vocabulary(
    folder: Path, translator: attnscope.Model
) -> None:
    trace = translator.trace("the The house is", target="das Haus ist")
    source, target = (trace.sides[side] for side in ("source", "target"))
    assert "".join(token.text for token in source if not token.special) == " the The house is"
    assert "".join(token.text for token in target if not token.special) == " das Haus ist"
    for tokens, file in ((source, "vocab.json"), (target, "target_vocab.json")):
        pieces = _pieces(folder / file)
        assert [token.text.replace(" ", "▁") for token in tokens] == [pieces[token.id] for token in tokens]


def test_special_tokens_are_those_of_the_side(folder: Path, translator: attnscope.Model) -> None:
    pads = {}
    for side, file in (("source", "vocab.json"), ("target", "target_vocab.json")):
        pieces = _pieces(folder / file)
        read = reader(translator.tokenizer, side)
        (pads[side],) = (ident for ident, piece in pieces.items() if piece == "<pad>")
        assert {ident for ident in pieces if read(ident).special} == {
            ident for ident, piece in pieces.items() if piece in ("</s>", "<unk>", "<pad>")
        }
    other = reader(translator.tokenizer, "target")(pads["source"])
    assert not other.special and other.text.replace(" ", "▁") == _pieces(folder / "target_vocab.json")[pads["source"]]


def test_predictions_and_generated_tokens_are_the_targets(folder: Path, translator: attnscope.Model) -> None:
    pieces = _pieces(folder / "target_vocab.json")
    trace = translator.trace("the house", target="das Haus")
    assert trace.next_tokens is not None
    assert [text.replace(" ", "▁") for text, _, _ in trace.next_tokens] == [
        pieces[ident] for _, ident, _ in trace.next_tokens
    ]
    made = translator.generate("the house", max_new_tokens=5)
    assert [token.text.replace(" ", "▁") for token in made.tokens] == [pieces[token.id] for token in made.tokens]
    written = [token for token in made.trace.tokens if not token.special]
    assert written and all(token.text.replace(" ", "▁") == pieces[token.id] for token in written)


def test_an_answer_is_a_token_of_the_target(folder: Path, translator: attnscope.Model) -> None:
    ids = {piece: ident for ident, piece in _pieces(folder / "target_vocab.json").items()}
    states = translator.states("the house", "Haus", target="das")
    assert states.contributions is not None
    assert states.contributions.answer.id == ids["▁Haus"] and states.contributions.answer.text == " Haus"


def test_one_shared_vocabulary_is_read_as_before(tmp_path: Path) -> None:
    tokenizer = marian(tmp_path, separate=False)
    pieces = _pieces(tmp_path / "vocab.json")
    for side, text in (("source", "the house"), ("target", "das Haus")):
        ids = tokenizer(text)["input_ids"] if side == "source" else tokenizer(text_target=text)["input_ids"]
        tokens = reader(tokenizer, side).all(ids)
        assert [token.text.replace(" ", "▁") for token in tokens] == [pieces[ident] for ident in ids]


def test_fsmt_tokenizes_and_reads_targets_with_the_targets_vocabulary(tmp_path: Path) -> None:
    tokenizer: Any = fsmt(tmp_path)
    source, target = _pieces(tmp_path / "vocab.json"), _pieces(tmp_path / "target.json")
    ids = tokenizer("the house")["input_ids"]
    assert [source[ident] for ident in ids] == ["the</w>", "house</w>", "</s>"]
    assert [token.text for token in reader(tokenizer).all(ids)] == ["the", "house", "</s>"]
    ids = target_ids(tokenizer, "das Haus")
    assert [target[ident] for ident in ids] == ["das</w>", "Haus</w>", "</s>"]
    assert [token.text for token in reader(tokenizer, "target").all(ids)] == ["das", "Haus", "</s>"]
    tokens = reader(tokenizer).all(tokenizer("then das")["input_ids"])
    shown = [(token.text, token.continues) for token in tokens]
    assert shown == [("th", False), ("e", True), ("n", True), ("das", False), ("</s>", False)]
