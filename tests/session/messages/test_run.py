"""The inputs of a `run`: a chat, a target, a text truncated to the model's limit."""

from __future__ import annotations

import pytest
from helpers import tiny_models
from helpers.session_requests import ask, error_of

import attnscope
from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel

pytestmark = pytest.mark.core


def session(limits: Limits | None = None, **options) -> Session:
    return Session([ModelEntry.loaded(FakeModel(**options))], limits=limits)


def test_an_error_for_a_long_text_says_what_fits_and_the_text_can_be_truncated():
    for asked, most in ((session(max_tokens=3), 3), (session(Limits(tokens=2), max_tokens=3), 2)):
        response = ask(asked, type="run", text="a b c d e")[-1]
        assert (response.body["code"], response.body["fits"]) == ("too_large", most)
        body = ask(asked, type="run", text="a b c d e", cut=True)[-1].body
        assert [token["text"] for token in body["tokens"]["text"]] == [" a", " b", " c"][:most]


def test_a_chat_is_run_as_messages_and_never_truncated():
    messages = [{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three"}]
    body = ask(session(chat=True), type="run", messages=messages)[-1].body
    assert body["input"]["messages"] == messages
    assert len(body["tokens"]["text"]) == 3
    response = ask(session(max_tokens=2), type="run", messages=messages, cut=True)[-1]
    assert response.body["code"] == "too_large" and "fits" not in response.body
    assert ask(session(chat=True), type="hello")[0].body["models"][0]["chat"] is True


@pytest.mark.parametrize("request_type", ["run", "generate"])
def test_a_chat_that_the_model_continues_ends_within_its_last_message(request_type: str, smollm2: attnscope.Model):
    asked = Session([ModelEntry.loaded(smollm2)])
    messages = [{"role": "user", "content": "Name a color."}, {"role": "assistant", "content": "The color is"}]
    options = {"max_new_tokens": 2} if request_type == "generate" else {}
    body = ask(asked, type=request_type, messages=messages, continue_final_message=True, **options)[-1].body
    written = smollm2.tokenizer.apply_chat_template(messages, continue_final_message=True)["input_ids"]
    assert [token["id"] for token in body["tokens"]["text"]][: len(written)] == written
    assert body["input"]["continue_final_message"] is True and body["input"]["messages"] == messages
    assert {token["role"] for token in body["tokens"]["text"][len(written) :]} <= {"assistant"}
    body = ask(asked, type=request_type, messages=messages, **options)[-1].body
    assert "continue_final_message" not in body["input"]
    assert [token["id"] for token in body["tokens"]["text"]][: len(written) + 1] != written


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": []}, "`messages` must be a list of at least one message"),
        ({"messages": ["hi"]}, "`role` must be a string"),
        ({"messages": [{"role": "user", "content": "a"}], "text": "b"}, "not both"),
        ({"text": "a", "target": 3}, "`target` must be a string"),
        ({"text": "a", "continue_final_message": True}, "`continue_final_message` needs `messages`"),
        (
            {"messages": [{"role": "user", "content": "a"}], "continue_final_message": 1},
            "must be true or false; got a int",
        ),
    ],
)
def test_an_invalid_input_is_an_error(fields, sentence):
    code, said = error_of(ask(session(), type="run", **fields))
    assert code == "bad_request" and sentence in said


def test_the_decoder_reads_the_target_or_the_model_generates_one():
    t5 = tiny_models.build("t5")
    t5.generation_config.max_new_tokens = 4
    model = attnscope.Model(t5, tiny_models.words_tokenizer())
    asked = Session([ModelEntry.loaded(model)])
    body = ask(asked, type="run", text="a b c d", target="c b")[-1].body
    assert body["model"]["kind"] == "encoder-decoder" and body["input"]["target"] == "c b"
    assert (body["stacks"]["cross"]["query"], body["stacks"]["cross"]["key"]) == ("target", "source")
    assert [token["text"].strip() for token in body["tokens"]["source"]] == ["a", "b", "c", "d", "</s>"]
    assert [token["text"].strip() for token in body["tokens"]["target"]] == ["<pad>", "c", "b"]
    own = ask(asked, type="run", text="a b c d")[-1].body
    assert own["input"]["target"] is None and 1 <= len(own["tokens"]["target"]) <= 5
