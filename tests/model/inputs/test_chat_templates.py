"""Chat templates of many forms: where each message ends, how often a chat is rendered, and templates that never end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

import attnscope
from attnscope.errors import CancelledError, InputError
from attnscope.model.inputs.chat_roles import segments
from attnscope.model.inputs.chat_template import ChatTemplate

TEMPLATES = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "default system": "{% if messages[0].role != 'system' %}<s>Be kind.</s>{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    "brackets": "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}",
    "numbered": "{% for m in messages %}{{ loop.index }}. {{ m.role }}: {{ m.content }}\n{% endfor %}",
    "plain": "{% for m in messages %}{{ m.content }}{% endfor %}",
    "upper case": "{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}",
    "thoughts": "{% for m in messages %}<|{{ m.role }}|>"
    "{{ m.content.split('</think>')[-1] if m.role == 'assistant' and not loop.last else m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "first is special": "{% for m in messages %}{% if loop.first %}<first>{% endif %}{{ m.role }}={{ m.content }};"
    "{% endfor %}",
    "markers after": "{% for m in messages %}{{ m.content }} ({{ m.role }}){% if not loop.last %} / {% endif %}{% endfor %}",
}
CHATS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("user", "Hi there"),),
    (("user", "a"), ("assistant", "a"), ("user", "a")),
    (("system", "Be brief"), ("user", "  hi  "), ("assistant", ""), ("user", "user")),
    (("user", "one; user=two;"), ("assistant", "</assistant><user>x</user>"), ("user", "[/INST] x </s>[INST]")),
    (("user", "q"), ("assistant", "<think>hm</think>answer"), ("user", "again"), ("assistant", "<think>so</think>yes")),
)


class Rendering:
    """A tokenizer that only renders, and counts how often."""

    bos_token = None

    def __init__(self, template: str) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from transformers import PreTrainedTokenizerFast

        self.chat_template = template
        self.renderings = 0
        self._tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, unk_token="a")))
        self._tokenizer.chat_template = template

    def apply_chat_template(self, messages: Any, **options: Any) -> Any:
        self.renderings += 1
        return self._tokenizer.apply_chat_template(messages, **options)


def messages_of(chat: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in chat]


def by_replacing(tokenizer: Rendering, messages: list[dict[str, Any]], text: str, *, prompt: bool) -> list[int]:
    """Where each message ends, by the definition alone: two renderings with its content replaced, one of the chat up to it."""

    def rendered(some: list[dict[str, Any]], *, prompt: bool = False) -> str:
        return str(tokenizer.apply_chat_template(some, tokenize=False, add_generation_prompt=prompt))

    ends: list[int] = []
    for at, message in enumerate(messages):
        one, other = (
            rendered([*messages[:at], {**message, "content": probe}, *messages[at + 1 :]], prompt=prompt)
            for probe in ("QQQQ", "ZZZZ")
        )
        after = next(n for n in range(len(one) + 1) if n == len(one) or one[-1 - n] != other[-1 - n])
        end = len(text) - after
        prefix = rendered(messages[: at + 1])
        ends.append(len(prefix) if text.startswith(prefix) and len(prefix) >= end else end)
    return ends


@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: f"{len(chat)} messages, {chat[-1][1][:8]}")
@pytest.mark.parametrize("name", TEMPLATES)
def test_messages_end_where_replacing_them_says(name: str, chat: Sequence[tuple[str, str]]) -> None:
    tokenizer = Rendering(TEMPLATES[name])
    messages = messages_of(chat)
    prompt = chat[-1][0] != "assistant"
    template = ChatTemplate(tokenizer)
    text = template.render(messages, prompt=prompt)
    found = segments(template, messages, text, prompt=prompt)
    assert [role for _, role in found[1 : len(chat) + 1]] == [role for role, _ in chat]
    assert [end for end, _ in found[1 : len(chat) + 1]] == by_replacing(tokenizer, messages, text, prompt=prompt)
    assert found[-1][0] == len(text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_number_of_renderings_does_not_grow_with_the_number_of_messages(name: str) -> None:
    counts: list[int] = []
    for length in (100, 400):
        tokenizer = Rendering(TEMPLATES[name])
        messages = messages_of([(("user", "assistant")[at % 2], f"words of turn {at}") for at in range(length)])
        template = ChatTemplate(tokenizer)
        text = template.render(messages)
        found = segments(template, messages, text, prompt=False)
        for at, (begin, end) in enumerate(pairwise(found[: length + 1])):
            assert f"words of turn {at}" in text[begin[0] : end[0]].lower()
        counts.append(tokenizer.renderings)
    assert counts[0] == counts[1] <= 120


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (ENDLESS, "takes too long"),
        ("{{ lipsum(n=10000000) }}", "takes too long"),
        (
            "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
            "makes a value",
        ),
        (
            "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
            "makes a value",
        ),
        ("{% for a in range(99999) %}{{ 'x' * 64 }}{{ '%0999d' | format(a) }}{% endfor %}", "writes more than"),
        ("{{ 9**9999999 }}", r"computes powers \(`\*\*`\)"),
        ("{{ 2 ** 3 ** 4 }}", "computes powers"),
        ("{{ 'x' * 9999999999 }}", r"computes products \(`\*`\)"),
        ("{% set x = 'a' * 64 %}{{ x * x | length }}", "computes products"),
        ("{{ raise_exception('no' * 60) }}" + "{{ messages[0].content }}", "rejects these messages: nono"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "rejects these messages: maximum recursion depth"),
    ],
)
def test_a_template_that_would_not_end_is_an_error(
    template: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attnscope.model.inputs.chat_template.SECONDS", 0.5)
    chat = ChatTemplate(Rendering(template))
    with pytest.raises(InputError, match=sentence) as found:
        assert chat.source
        chat.render(messages_of(CHATS[0]))
    assert len(str(found.value)) < 600


def test_a_long_message_of_a_template_is_shortened() -> None:
    chat = ChatTemplate(Rendering("{{ raise_exception(messages[0].content) }}"))
    with pytest.raises(InputError) as found:
        chat.render(messages_of([("user", "why " * 2000)]))
    assert len(str(found.value)) < 400 and "why why" in str(found.value)


def test_small_products_and_unpacked_arguments_are_no_powers() -> None:
    template = "{% set d = {'name': 'x'} %}{{ '=' * 20 }}{{ dict(**d).name }}{% for m in messages %}{{ m.content }}{% endfor %}"
    assert ChatTemplate(Rendering(template)).render(messages_of(CHATS[0])) == "=" * 20 + "xHi there"


def test_a_rendering_can_be_cancelled() -> None:
    class Impatient:
        asked = 0

        def layer(self, done: int, total: int) -> None:
            raise AssertionError("no layer is computed")

        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 3

    observer = Impatient()
    with pytest.raises(CancelledError):
        ChatTemplate(Rendering(ENDLESS), observer).render(messages_of(CHATS[0]))
    assert observer.asked == 4


def test_a_cancelled_chat_is_not_encoded(smollm2: attnscope.Model) -> None:
    class Cancelled:
        def layer(self, done: int, total: int) -> None: ...

        def cancelled(self) -> bool:
            return True

    with pytest.raises(CancelledError):
        smollm2.encode([{"role": "user", "content": "Hi"}], observer=Cancelled())


def test_a_chat_of_3_000_messages_has_the_roles_of_its_messages(smollm2: attnscope.Model) -> None:
    messages = messages_of([(("user", "assistant")[at % 2], "x") for at in range(3000)])
    encoded = smollm2.encode(messages)
    text = smollm2.tokenizer.apply_chat_template(messages, tokenize=False)
    assert encoded.text == text
    turns = [token for token in encoded.tokens if token.text == "<|im_start|>"]
    assert [turn.role for turn in turns[1:]] == [message["role"] for message in messages]
