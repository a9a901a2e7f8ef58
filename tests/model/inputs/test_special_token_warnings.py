"""A text that has the special token already that the tokenizer adds."""

from __future__ import annotations

import pytest
from breadth.made_tokenizers import made
from helpers import tiny_models

import attnscope
from attnscope.model.inputs.encode import encode
from attnscope.model.inputs.tokens import reader
from attnscope.model.inputs.trace_input import TraceInput


def warnings_of(tokenizer, text: str, pair: str | None = None) -> list[str]:
    encoded = encode(tokenizer, reader(tokenizer), TraceInput("text", text, pair))
    assert [token.id for token in encoded.tokens] == list(tokenizer(text, pair)["input_ids"])
    return encoded.warnings


def test_a_first_or_last_special_token_that_is_there_twice_is_reported(tmp_path) -> None:
    roberta = made("RobertaTokenizer", tmp_path)
    begins = "The text already begins with <s>, and the tokenizer adds another one, so the model reads it twice."
    ends = "The text already ends with </s>, and the tokenizer adds another one, so the model reads it twice."
    assert warnings_of(roberta, "the house") == []
    assert warnings_of(roberta, "<s>the house") == [begins]
    assert warnings_of(roberta, "the house</s>") == [ends]
    assert warnings_of(roberta, "<s>the house</s>") == [begins, ends]
    assert warnings_of(roberta, "<s>the", "house</s>") == [begins, ends]
    assert warnings_of(roberta, "the", "house") == []
    assert warnings_of(roberta, "the</s>house") == []


def test_only_a_tokenizer_that_adds_one_gives_a_warning(tmp_path) -> None:
    t5 = made("T5Tokenizer", tmp_path)
    assert warnings_of(t5, "the</s>") and not warnings_of(t5, "</s>the</s></s> the")
    gpt2 = made("GPT2Tokenizer", tmp_path)
    assert warnings_of(gpt2, "<|endoftext|>the") == []
    assert warnings_of(gpt2, "<|endoftext|><|endoftext|>the") == []


def test_a_rendered_chat_that_is_passed_as_a_text_gives_the_warning(tmp_path) -> None:
    llama = made("LlamaTokenizer", tmp_path)
    llama.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    from tokenizers.processors import TemplateProcessing

    llama.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", llama.bos_token_id)]
    )
    chat = [{"role": "user", "content": "the house"}]
    rendered = llama.apply_chat_template(chat, tokenize=False)
    assert len(warnings_of(llama, rendered)) == 1
    encoded = encode(llama, reader(llama), TraceInput("chat", chat))
    assert encoded.warnings == [] and [token.text for token in encoded.tokens].count("<s>") == 1


def test_the_warning_is_in_the_trace_and_in_the_trace_of_a_generation(minilm: attnscope.Model) -> None:
    (warning,) = minilm.trace("[CLS] the cat").warnings
    assert warning.startswith("The text already begins with [CLS]")
    model = attnscope.Model(tiny_models.build("t5"), tiny_models.words_tokenizer())
    made = model.generate("a b </s>", 2)
    assert any(one.startswith("The text already ends with </s>") for one in made.trace.warnings)
    trace = model.trace("a b", target="c d </s>")
    assert [one for one in trace.warnings if "target already ends with </s>" in one]
    assert not model.trace("a b", target="c d").warnings


@pytest.mark.parametrize("text", [" ", "the"])
def test_short_texts_give_no_warning(minilm: attnscope.Model, text: str) -> None:
    assert minilm.trace(text).warnings == []
