"""A chat equals its rendered template, and each token has the role of its message."""

from __future__ import annotations

import pytest

import attnscope
from attnscope.errors import InputError

QUESTION = {"role": "user", "content": "Hi there"}


def roles(trace: attnscope.Trace) -> list[tuple[str | None, str]]:
    """The text of each segment with its role, in order."""
    found: list[tuple[str | None, str]] = []
    for token in trace.tokens:
        if found and found[-1][0] == token.role:
            found[-1] = (token.role, found[-1][1] + token.text)
        else:
            found.append((token.role, token.text))
    return found


def test_a_chat_equals_its_rendered_template(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace([QUESTION])
    written = smollm2.tokenizer.apply_chat_template([QUESTION], add_generation_prompt=True)["input_ids"]
    assert [token.id for token in trace.tokens] == written
    assert roles(trace) == [
        (None, "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi there<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\n"),
    ]
    assert [token.text for token in trace.tokens if token.special] == ["<|im_start|>", "<|im_end|>"] * 2 + [
        "<|im_start|>"
    ]
    assert trace.next_tokens is not None and trace.next_tokens[0][0] == "Hello"
    assert trace.provenance["messages"] == [QUESTION]


def test_a_finished_chat_has_no_generation_prompt(smollm2: attnscope.Model) -> None:
    chat = [{"role": "system", "content": "Be brief"}, QUESTION, {"role": "assistant", "content": "Hello!"}]
    assert roles(smollm2.trace(chat)) == [
        ("system", "<|im_start|>system\nBe brief<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi there<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\nHello!<|im_end|>\n"),
    ]


@pytest.mark.parametrize("content", ["a", "user", "", "  hi  ", "You are a helpful AI assistant named SmolLM"])
def test_roles_are_found_for_any_message_content(smollm2: attnscope.Model, content: str) -> None:
    chat = [{"role": "user", "content": content}, {"role": "assistant", "content": content}]
    assert roles(smollm2.trace(chat)) == [
        (None, "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"),
        ("user", f"<|im_start|>user\n{content}<|im_end|>\n"),
        ("assistant", f"<|im_start|>assistant\n{content}<|im_end|>\n"),
    ]


def test_a_template_may_change_contents_and_may_not_support_parts(smollm2: attnscope.Model) -> None:
    tokenizer = smollm2.tokenizer.__class__.from_pretrained(smollm2.tokenizer.name_or_path)
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] | upper }}\n{% endfor %}"
    model = attnscope.Model(smollm2.hf_model, tokenizer)
    assert roles(model.trace([QUESTION, {"role": "assistant", "content": "a"}])) == [
        ("user", "user: HI THERE\n"),
        ("assistant", "assistant: A\n"),
    ]
    tokenizer.chat_template = tokenizer.chat_template.replace(" | upper", "")
    with pytest.raises(
        InputError, match="content of message 0 is a list of parts, which this chat template does not support"
    ):
        model.trace([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])


def test_roles_survive_a_file(smollm2: attnscope.Model, tmp_path) -> None:
    trace = smollm2.trace([QUESTION])
    trace.save(tmp_path / "chat.trace")
    assert attnscope.open(tmp_path / "chat.trace").tokens == trace.tokens


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([{"content": "x"}], "Message 0 has no role"),
        ([{"role": "usr", "content": "x"}], "role 'usr', which this chat template does not use"),
        ([QUESTION, {"role": "assistant"}], "content of message 1 must be a text; got NoneType"),
        ([{"role": "user", "content": [{"type": "image"}]}], "part of type 'image'"),
        ([{"role": "user", "content": "\ud83e"}], "surrogate"),
    ],
)
def test_invalid_messages_raise(smollm2: attnscope.Model, messages, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        smollm2.trace(messages)


def test_errors_of_a_template_are_quoted_and_a_missing_template_raises(smollm2, minilm) -> None:
    strict = smollm2.tokenizer.__class__.from_pretrained(smollm2.tokenizer.name_or_path)
    strict.chat_template = (
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('Begin with the user') }}{% endif %}x"
    )
    model = attnscope.Model(smollm2.hf_model, strict)
    with pytest.raises(InputError, match="rejects these messages: Begin with the user"):
        model.trace([{"role": "assistant", "content": "x"}])
    with pytest.raises(InputError, match=r"omits message 0"):
        model.trace([QUESTION])
    with pytest.raises(InputError, match="no chat template"):
        minilm.trace([QUESTION])


ANSWERED = [QUESTION, {"role": "assistant", "content": "The color is"}]


def test_a_chat_can_end_within_its_last_message(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace(ANSWERED, continue_final_message=True)
    tokenizer = smollm2.tokenizer
    written = tokenizer.apply_chat_template(ANSWERED, continue_final_message=True)["input_ids"]
    assert [token.id for token in trace.tokens] == written
    assert roles(trace)[1:] == [
        ("user", "<|im_start|>user\nHi there<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\nThe color is"),
    ]
    assert trace.provenance["continue_final_message"] is True
    assert "continue_final_message" not in smollm2.trace(ANSWERED).provenance
    assert smollm2.trace(smollm2.encode(ANSWERED, continue_final_message=True)).id == trace.id
    assert smollm2.check(ANSWERED, continue_final_message=True).ok


def test_a_generation_continues_the_last_message(smollm2: attnscope.Model) -> None:
    made = smollm2.generate(ANSWERED, 5, continue_final_message=True)
    ids = smollm2.tokenizer.apply_chat_template(ANSWERED, continue_final_message=True, return_tensors="pt")["input_ids"]
    expected = smollm2.hf_model.generate(ids, max_new_tokens=5, do_sample=False)[0].tolist()
    assert [token.id for token in made.trace.tokens] == expected
    assert {token.role for token in made.trace.tokens[-8:]} == {"assistant"}


@pytest.mark.parametrize("content", ["ends with a space ", "two\nlines\n", "<|im_end|>", "Hi there"])
def test_the_last_message_may_be_anyones_and_end_anyhow(smollm2: attnscope.Model, content: str) -> None:
    for role in ("user", "assistant"):
        chat = [{"role": "user", "content": "Hi"}, {"role": role, "content": content}]
        trace = smollm2.trace(chat, continue_final_message=True)
        written = smollm2.tokenizer.apply_chat_template(chat, continue_final_message=True)["input_ids"]
        assert [token.id for token in trace.tokens] == written
        assert roles(trace)[-1][0] == role and roles(trace)[-1][1].endswith(content)
    made = smollm2.generate([QUESTION], 2, continue_final_message=True)
    assert [token.role for token in made.trace.tokens[-3:]] == ["user"] * 3


def test_only_a_chat_has_a_last_message(smollm2: attnscope.Model) -> None:
    for given in ("a text", [5, 6], {"input_ids": [5, 6]}, ["a", "b"]):
        with pytest.raises(InputError, match="works only with a chat"):
            smollm2.trace(given, continue_final_message=True)
    with pytest.raises(InputError, match="works only with a chat"):
        smollm2.generate("a text", 2, continue_final_message=True)
    strict = smollm2.tokenizer.__class__.from_pretrained(smollm2.tokenizer.name_or_path)
    strict.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(InputError, match="rejects these messages: continue_final_message is set but"):
        attnscope.Model(smollm2.hf_model, strict).trace(ANSWERED, continue_final_message=True)
