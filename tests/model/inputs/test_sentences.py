"""The two sentences of inputs that were tokenized elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.errors import InputError
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.sentences import start_by_types
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.trace_input import TraceInput

A, B = "the cat sat", "a dog ran home"


def sentences(trace: Any) -> list[str | None]:
    return [token.sentence for token in trace.tokens]


def test_the_result_of_a_tokenizer_keeps_its_two_sentences(minilm: attnscope.Model, smollm2: attnscope.Model) -> None:
    for model in (minilm, smollm2):
        expected = model.trace(A, pair=B)
        assert "B" in sentences(expected)
        ready: Any = model.trace(model.tokenizer(A, B, return_tensors="pt"))
        assert sentences(ready) == sentences(expected) and ready.id == expected.id
        assert [token.sentence for token in model.encode(model.tokenizer(A, B)).tokens] == sentences(expected)
    assert sentences(minilm.trace(minilm.tokenizer(A, return_tensors="pt"))) == sentences(minilm.trace(A))


def test_token_type_ids_say_where_the_second_sentence_begins(minilm: attnscope.Model) -> None:
    expected = minilm.trace(A, pair=B)
    plain = {name: value.tolist() for name, value in minilm.tokenizer(A, B, return_tensors="pt").items()}
    assert sentences(minilm.trace(plain)) == sentences(expected)
    without = {name: value for name, value in plain.items() if name != "token_type_ids"}
    assert set(sentences(minilm.trace(without))) == {None}
    unknown = minilm.tokenizer(A, "𓀀 dog", return_tensors="pt")
    assert sentences(minilm.trace(dict(unknown))) == sentences(minilm.trace(A, pair="𓀀 dog"))


@pytest.mark.parametrize(
    ("types", "padding", "start"),
    [
        ([0, 0, 0, 1, 1], [], 3),  # BERT
        ([2, 0, 0, 1, 1], [], 3),  # Funnel
        ([3, 3, 0, 0, 1, 1, 2], [0, 1], 4),  # XLNet, with padding on the left
        ([0, 0, 1, 1, 0, 0], [4, 5], 2),
        ([0, 0, 0], [], None),
        ([1, 1, 1], [], None),
        ([0, 1, 0, 1], [], None),  # image tokens in Gemma 3
    ],
)
def test_the_types_of_different_models(types: list[int], padding: list[int], start: int | None) -> None:
    padded = [at in padding for at in range(len(types))]
    assert start_by_types(torch.tensor([types]), padded) == start


def test_each_row_of_a_padded_batch_has_its_sentences(minilm: attnscope.Model) -> None:
    pairs = [(A, B), ("a", "b c")]
    for side in ("right", "left"):
        tokenizer = tf.AutoTokenizer.from_pretrained(minilm.tokenizer.name_or_path, padding_side=side)
        batch = tokenizer([one for one, _ in pairs], [other for _, other in pairs], padding=True, return_tensors="pt")
        for ready in (batch, dict(batch)):
            traces: Any = minilm.trace(ready)
            for trace, (one, other) in zip(traces, pairs, strict=True):
                shown = [token for token in trace.tokens if token.text != "[PAD]"]
                assert [token.sentence for token in shown] == sentences(minilm.trace(one, pair=other))
                assert {token.sentence for token in trace.tokens if token.text == "[PAD]"} <= {None}


def test_a_position_divides_ids(minilm: attnscope.Model, smollm2: attnscope.Model) -> None:
    expected = smollm2.trace(A, pair=B)
    ids = [token.id for token in expected.tokens]
    start = sentences(expected).index("B")
    assert sentences(smollm2.trace(ids, sentence_b_start=start)) == sentences(expected)
    assert sentences(smollm2.encode(torch.tensor(ids), sentence_b_start=start)) == sentences(expected)
    made = smollm2.generate(ids, 2, sentence_b_start=start)
    assert sentences(made.trace)[: len(ids)] == sentences(expected)
    two: Any = smollm2.trace({"input_ids": [ids, ids]}, sentence_b_start=[start, None])
    assert [sentences(one) for one in two] == [sentences(expected), [None] * len(ids)]
    named = minilm.tokenizer(A, B, return_tensors="pt")
    assert sentences(minilm.trace(named, sentence_b_start=1))[:3] == ["A", "B", "B"]


@pytest.mark.parametrize(
    ("given", "start", "sentence"),
    [
        ([5, 6, 7], 3, "must be between 1 and 2; got 3"),
        ([5, 6, 7], 0, "must be between 1 and 2; got 0"),
        ([5, 6, 7], "2", "must be a position; got '2'"),
        ([5, 6, 7], True, "must be a position; got True"),
        ({"input_ids": [[5, 6], [7, 8]]}, 1, "must be a list of 2 positions, one for each input; got 1"),
        ("the cat", 1, "Pass the second sentence of a text as `pair`"),
        (["the cat", "a dog"], [1, 1], "Pass the second sentence of a text as `pair`"),
    ],
)
def test_positions_that_divide_nothing_raise(smollm2: attnscope.Model, given: Any, start: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        smollm2.trace(given, sentence_b_start=start)


@pytest.mark.parametrize("text", ["é b", "🙂 b"])
@pytest.mark.parametrize("most", [None, 7])
def test_slow_tokenizers_know_the_sentences_of_pairs(text: str, most: int | None, tmp_path: Any) -> None:
    from breadth.made_tokenizers import made

    for name in ("ByT5Tokenizer", "ProphetNetTokenizer"):
        tokenizer = made(name, tmp_path / name)
        encoded = encode(tokenizer, reader(tokenizer), TraceInput("text", text, "the The", max_tokens=most))
        ids = [token.id for token in encoded.tokens]
        first = tokenizer(text, add_special_tokens=False)["input_ids"]
        start = next(at for at, token in enumerate(encoded.tokens) if token.sentence == "B")
        inside = [one for one in ids[:start] if one not in (tokenizer.sep_token_id, tokenizer.eos_token_id)]
        assert inside == first[: len(inside)] and inside
        assert len(inside) == len(first) or (most is not None and len(ids) == most)


def test_a_model_without_types_drops_them_but_keeps_the_sentences() -> None:
    model = attnscope.Model(tiny_models.build("gpt2"))
    trace = model.trace({"input_ids": [5, 6, 7, 8], "token_type_ids": [0, 0, 1, 1]})
    assert sentences(trace) == ["A", "A", "B", "B"]
