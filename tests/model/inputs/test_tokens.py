"""Tokens are readable, for the three ways in which tokenizers write their pieces."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import attnscope
from attnscope.errors import InputError, MissingError, TooLongError
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.trace_input import TraceInput


def test_byte_level_pieces_are_text_with_their_leading_space(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace("The lazy café\n\tok")
    assert [token.text for token in trace.tokens] == ["The", " lazy", " café", "\n", "\t", "ok"]
    assert not any(token.raw for token in trace.tokens)


def test_incomplete_characters_are_shown_as_bytes(smollm2: attnscope.Model) -> None:
    tokens = smollm2.trace("a 🦊").tokens
    assert any(token.raw for token in tokens)
    assert all("\\x" in token.text for token in tokens if token.raw)
    assert not any("Ġ" in token.text or "ð" in token.text for token in tokens)


def test_word_pieces_are_text_that_continues(minilm: attnscope.Model) -> None:
    tokens = minilm.trace("unbelievably jumping").tokens
    assert tokens[0].text == "[CLS]" and tokens[0].special
    joined = "".join(("" if token.continues else " ") + token.text for token in tokens[1:-1]).strip()
    assert joined == "unbelievably jumping"
    assert any(token.continues for token in tokens)
    assert not any("##" in token.text for token in tokens)


def test_sentence_pieces_have_spaces_and_fall_back_to_bytes() -> None:
    vocabulary = {"<unk>": 0, "▁the": 1, "▁fox": 2, "es": 3, "<0xF0>": 4, "<0x41>": 5, "▁": 6}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    read = reader(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"))
    assert [read(i).text for i in (1, 2, 3)] == [" the", " fox", "es"]
    assert read(4).raw and read(4).text == "\\xf0"
    assert read(5).text == "A" and not read(5).raw
    assert read(0).special


def test_special_tokens_are_marked(minilm: attnscope.Model) -> None:
    assert [token.special for token in minilm.trace("a b").tokens] == [True, False, False, True]


def test_a_tokenizer_without_pair_format_gives_a_warning(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace("the cat sat", pair=" the cat lay")
    assert [token.sentence for token in trace.tokens] == ["A"] * 3 + ["B"] * 3
    assert any("no pair format" in warning for warning in trace.warnings)


def test_token_ids_need_no_tokenizer(minilm: attnscope.Model) -> None:
    trace = attnscope.Model(minilm.hf_model).trace([101, 1996, 4937, 102])
    assert [token.text for token in trace.tokens] == ["101", "1996", "4937", "102"]


def test_ready_inputs_are_used_unchanged(minilm: attnscope.Model) -> None:
    inputs = minilm.tokenizer("the cat", return_tensors="pt")
    assert minilm.trace(dict(inputs)).id == minilm.trace("the cat").id
    assert minilm.trace({"input_ids": [101, 1996, 102]}).tokens[1].text == "the"
    flat = {"input_ids": [101, 1996, 102], "attention_mask": [1, 1, 1], "labels": [1, 2, 3], "output_attentions": True}
    assert minilm.trace(flat).id == minilm.trace([101, 1996, 102]).id


def test_unknown_inputs_are_dropped_with_a_warning(minilm: attnscope.Model) -> None:
    trace = minilm.trace({"input_ids": [101, 1996, 102], "attention_msk": [0, 1, 1]})
    assert trace.warnings == ["BertModel has no input named attention_msk, so it was dropped."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([], "no tokens"),
        ([1, "a"], "list of token ids"),
        (None, "list of token ids"),
        (7, "list of token ids"),
        ([2**70], "list of token ids"),
        ({"attention_mask": [[1]]}, "need `input_ids`"),
        ({"input_ids": [[1, 2], [3, 4]], "attention_mask": [[1, 1]] * 3}, "3 rows, but `input_ids` has 2"),
        ({"input_ids": [[1, 2], [3]]}, "must be an array of numbers"),
        ({"input_ids": "the cat"}, "must be an array of numbers"),
        ({"input_ids": [[1.0, 2.0]]}, "whole numbers"),
        ({"input_ids": [[[1, 2]]]}, "whole numbers"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1, 1, 1]]}, "does not match the 2 tokens"),
        ({"input_ids": [[1, 2]], "attention_mask": [[[[1, 1]] * 3]]}, "does not match the 2 tokens"),
        ({"input_ids": [[1, 2]], "past_key_values": object()}, "Omit past_key_values"),
        ({"input_ids": [[1, 2]], "cache": object()}, "Omit cache"),
        ([999_999], "does not exist in this model"),
        ([-1], "does not exist in this model"),
        ("half a pair \ud83e", "surrogate"),
    ],
)
def test_invalid_inputs_raise(minilm: attnscope.Model, text, message: str) -> None:
    with pytest.raises(InputError, match=message):
        minilm.trace(text)


def test_the_error_of_a_failing_tokenizer_is_quoted(minilm: attnscope.Model) -> None:
    words = Tokenizer(models.WordLevel({"cat": 1}))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    model = attnscope.Model(minilm.hf_model, PreTrainedTokenizerFast(tokenizer_object=words))
    assert [token.id for token in model.trace("cat cat").tokens] == [1, 1]
    with pytest.raises(InputError, match=r"cannot split this text into tokens: .*Missing \[UNK\] token"):
        model.trace("cat dog")


def test_an_empty_text_is_an_error_and_a_blank_one_is_traced(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    for model in (smollm2, minilm):
        with pytest.raises(InputError, match=r"The text is empty\."):
            model.trace("")
    assert [token.text for token in minilm.trace(" ").tokens] == ["[CLS]", "[SEP]"]
    assert [token.text for token in smollm2.trace(" ").tokens] == [" "]


def test_a_text_beyond_the_models_positions_raises_with_both_numbers(minilm: attnscope.Model) -> None:
    with pytest.raises(TooLongError, match=r"602 tokens, but this model accepts at most 512\. Shorten it by 90 tokens"):
        minilm.trace("fox " * 600)


def test_a_computed_table_of_positions_is_a_hard_limit() -> None:
    config = tf.CTRLConfig(vocab_size=99, n_embd=32, n_layer=1, n_head=4, dff=32, n_positions=20)
    model = attnscope.Model(tf.CTRLLMHeadModel(config).eval())
    assert model.trace([5] * 20).certificate.ok
    with pytest.raises(TooLongError, match=r"21 tokens, but this model accepts at most 20\. Shorten it by 1 token\."):
        model.trace([5] * 21)


def test_a_text_without_a_tokenizer_raises_with_advice(minilm: attnscope.Model) -> None:
    with pytest.raises(MissingError, match="Pass token ids"):
        attnscope.Model(minilm.hf_model).trace("the cat")


def test_a_pair_needs_a_text(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="works only with a text"):
        encode(minilm.tokenizer, reader(minilm.tokenizer), TraceInput("ids", [101, 102], "x"))


def _unigram() -> PreTrainedTokenizerFast:
    """Like SentencePiece: NFKC, a marker for each space, unknown spans as one token; no token at the start."""
    pieces = [
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁the", -1.0),
        ("fi", -3.0),
        ("1", -3.0),
        ("⁄", -3.0),
        ("2", -3.0),
        ("a", -3.0),
    ]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


def test_unknown_tokens_carry_their_source_text(smollm2, minilm) -> None:
    def given(tokenizer, text: str, pair: str | None = None) -> list[str | None]:
        return [token.given for token in encode(tokenizer, reader(tokenizer), TraceInput("text", text, pair)).tokens]

    assert given(smollm2.tokenizer, "a 🦊") == [None, "🦊", "🦊", "🦊"]
    assert given(minilm.tokenizer, "a 𓀀", "你 b") == [None, None, "𓀀", None, "你", None, None]
    assert given(_unigram(), "the 🦊🦊") == [None, None, "🦊🦊"]
    tokens = encode(
        _unigram(), reader(_unigram()), TraceInput("text", "ﬁa ½")
    ).tokens  # NFKC: the characters differ from the text
    assert [token.text for token in tokens] == [" ", "fi", "a", " ", "1", "⁄", "2"]


UNUSUAL = {
    "one letter": "a",
    "one emoji": "🦊",
    "thirty unknown signs": "𓀀" * 30,
    "thirty emoji": "🦊👩‍👩‍👧‍👦👍🏽" * 10,
    "right to left": "שלום עולם, مرحبا بالعالم",
    "only special tokens": "<|im_start|><|im_end|>[CLS][SEP]",
    "what nobody sees": "a\x00b\x07\u200b\u202ec\ufeff\u00ad\r\n\t",
    "marks without letters": "\u0301\u0308",
    "a tag": "</script><b onload=x>",
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_texts_are_shown_exactly(name: str, smollm2, minilm) -> None:
    text = UNUSUAL[name]
    for model in (smollm2, minilm):
        trace = model.trace(text)
        assert trace.certificate.ok
        assert trace.tokens and all(token.text for token in trace.tokens)
        assert [token.id for token in trace.tokens] == model.tokenizer(text)["input_ids"]
        rows = trace.attention(0, 0)
        assert rows.sum(-1) == pytest.approx(torch.ones(len(trace.tokens)), abs=1e-5)
        # adjacent bytes give back the text
        if model is smollm2:
            data = b"".join(
                token.text.encode().decode("unicode_escape").encode("latin-1")
                if token.raw and "\\x" in token.text
                else token.text.encode()
                for token in trace.tokens
            )
            assert data.decode() == text
