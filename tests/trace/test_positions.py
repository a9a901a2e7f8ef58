"""Words, spans and indices: what they stand for, in hand-written cases and against a brute-force search over strings."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import build, words_tokenizer

import attnscope
from attnscope.cli.positions import position_given
from attnscope.errors import InputError
from attnscope.trace.positions import resolve, resolve_each, resolve_one
from attnscope.trace.words import spans
from attnscope.types import Token

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


def tokens_of(listed: list[Any]) -> list[Token]:
    fields = [{"text": one} if isinstance(one, str) else one for one in listed]
    return [Token(**{"id": at, **one}) for at, one in enumerate(fields)]


TEXTS = {name: tokens_of(listed) for name, listed in CASES["texts"].items()}
NURSE = "The doctor asked the nurse a question. She"


@pytest.mark.parametrize(("text", "word", "expected"), CASES["cases"], ids=lambda one: repr(one)[:30])
def test_a_word_is_found_where_a_person_reads_it(text: str, word: str, expected: list[list[int]]) -> None:
    assert spans(word, TEXTS[text]) == [tuple(span) for span in expected]


@pytest.mark.parametrize(("text", "written", "expected"), CASES["forms"])
def test_the_command_lines_forms(text: str, written: str, expected: list[int] | str) -> None:
    def found() -> tuple[int, ...]:
        return resolve(position_given(written, "token"), TEXTS[text], "token", nth="{word}#{number}")

    if isinstance(expected, str):
        with pytest.raises(InputError, match="^" + re.escape(expected)):
            found()
    else:
        assert list(found()) == expected


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("spaced", [True, False])
def test_words_are_those_of_a_search_in_the_string(seed: int, *, spaced: bool) -> None:
    """A text of random words, cut anywhere into pieces; expected: the regular expression of a whole word or phrase."""
    draw = random.Random(seed)
    words = ["ab", "abc", "b", "ca", "a", "bca"]
    text = " ".join(draw.choice(words) + draw.choice(["", "", ",", "."]) for _ in range(40))
    pieces: list[tuple[int, int]] = []
    for match in re.finditer(r"\w+|[^\w\s]", text):
        inner = [at for at in range(match.start() + 1, match.end()) if draw.random() < 0.4]
        pieces += list(itertools.pairwise([match.start(), *inner, match.end()]))
    tokens: list[Token] = []
    for at, (start, end) in enumerate(pieces):
        before = text[start - 1 : start] == " "
        inside = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
        shown = f" {text[start:end]}" if spaced and before else text[start:end]
        tokens.append(Token(shown, at, continues=inside and not spaced))
    for phrase in [*words, "ab, b", "a b", "ca.", "b ca", *(text[a:b].strip() for a, b in ((0, 7), (5, 12), (20, 31)))]:
        left, right = (r"(?<!\w)" if one.isalnum() else "" for one in (phrase[0], phrase[-1]))
        pattern = f"{left}{re.escape(phrase)}{right.replace('<', '')}"
        whole = [match.span() for match in re.finditer(pattern, text)]
        expected = [tuple(at for at, (s, e) in enumerate(pieces) if s >= first and e <= last) for first, last in whole]
        if expected:
            assert spans(phrase, tokens) == expected, phrase
        else:
            assert all(len(span) == 1 and tokens[span[0]].text.strip() == phrase for span in spans(phrase, tokens))


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (4, (4,)),
        (-1, (11,)),
        (np.int64(4), (4,)),
        ("nurse", (4,)),
        (("the", 2), (6,)),
        (["the", 2], (6,)),
        ([4, 7, 4], (4, 7)),
        (range(4, 6), (4, 5)),
        (slice(-2, None), (10, 11)),
        (torch.tensor([1, 2]), (1, 2)),
        ("tokenization", (7, 8)),
        (("tokenization", 1), (7, 8)),
    ],
)
def test_a_position_stands_for_indices(position: Any, expected: tuple[int, ...]) -> None:
    assert resolve(position, TEXTS["bpe"]) == expected
    assert resolve_one(position, TEXTS["bpe"]) == max(expected)


@pytest.mark.parametrize("position", [1.5, True, None, [True], [1.0], [], range(0), slice("a", "b"), ("the", 1.5), {}])
def test_what_is_no_position_is_one_sentence(position: Any) -> None:
    with pytest.raises(InputError, match=r"^`query` is an "):
        resolve(position, TEXTS["bpe"], "query")


def test_an_absent_word_of_a_long_text_names_those_like_it() -> None:
    long = [Token(f" word{at}", at) for at in range(500)]
    long[321] = Token(" nurse", 321)
    with pytest.raises(InputError) as caught:
        resolve("nurs", long, "query of CutEdge")
    assert str(caught.value) == '`query` of CutEdge: "nurs" is not a word of the text (closest tokens: 321 "nurse", …).'


def test_a_list_of_positions_has_an_entry_for_each() -> None:
    assert resolve_each(["nurse", 2, "tokenization"], TEXTS["bpe"]) == [(4,), (2,), (7, 8)]
    assert resolve_each(range(2), TEXTS["bpe"]) == [(0,), (1,)]
    assert resolve_each(("the", 2), TEXTS["bpe"]) == [(6,)]


def test_a_trace_finds_words_in_real_tokens(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    trace = smollm2.trace(NURSE)
    assert trace.find("nurse") == [4] and trace.find("dentist") == [] and trace.spans("the nurse") == [(3, 4)]
    assert torch.equal(trace.attention(9, 4, rows="nurse"), trace.attention(9, 4, rows=[4]))
    assert torch.equal(trace.attention(9, 4, rows=["the nurse", -1]), trace.attention(9, 4, rows=[3, 4, 8]))
    assert torch.equal(trace.scores(9, 4, rows=("the", 1)), trace.scores(9, 4, rows=[3]))
    pair = minilm.trace("The Nurse", pair="the doctor's tokenization")
    assert pair.find("the") == [1, 4] and pair.spans("tokenization") == [(8, 9)] and pair.find("[SEP]") == [3, 10]
    chat = smollm2.trace([{"role": "user", "content": "The nurse"}])
    assert [chat.tokens[at].text for at in chat.find("nurse")] == [" nurse"]
    assert len(chat.find("<|im_start|>")) == 3


def test_sides_of_an_encoder_decoder_have_their_own_words() -> None:
    tokenizer = words_tokenizer("the cat sat", "die katze saß")
    trace = attnscope.Model(build("t5"), tokenizer).trace("the cat sat", target="die katze")
    queries, keys = trace.tokens_for("cross")
    for side, tokens, word in (("query", queries, "katze"), ("key", keys, "cat")):
        expected = [at for at, token in enumerate(tokens) if token.text.strip() == word]
        assert expected and trace.find(word, "cross", side) == expected
    assert trace.find("cat") == [] and trace.find("cat", "encoder") != []
    with pytest.raises(InputError, match="`side` is"):
        trace.find("cat", "cross", "both")  # type: ignore[arg-type]
