"""The `generate` request: it streams tokens, then the trace; limits are checked first; it can be canceled or replaced."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from helpers.session_requests import LayerGate, ask, error_of

from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import Message

SESSION = Session([ModelEntry.loaded(FakeModel())])


def of_kind(responses: list[Message], kind: str) -> list[Any]:
    return [response.body for response in responses if response.type == kind]


def test_tokens_are_streamed_and_the_trace_comes_last() -> None:
    responses = ask(SESSION, type="generate", text="a b", max_new_tokens=3, stop=["x"], top_k=2, seed=5)
    tokens, last = of_kind(responses, "token"), responses[-1]
    assert [(body["index"], body["token"]["text"]) for body in tokens] == [(0, " word0"), (1, " word1"), (2, " word2")]
    assert tokens[0]["probability"] == 0.5
    assert tokens[0]["top"] == [{"text": " word0", "id": tokens[0]["token"]["id"], "probability": 0.5}]
    assert last.type == "trace"
    made = last.body["generation"]
    assert (made["text"], made["stopped"], made["prompt"]) == (" word0 word1 word2", "length", 2)
    assert made["sampling"] == {"temperature": 1.0, "top_k": 2, "top_p": None, "seed": 5}
    assert made["steps"] == [
        {key: value for key, value in body.items() if key not in ("index", "last")} for body in tokens
    ]
    assert len(last.body["tokens"]["text"]) == 5
    assert ask(SESSION, type="trace", trace=last.body["trace"])[0].type == "trace"


def test_a_chat_is_continued_from_its_messages() -> None:
    messages = [{"role": "user", "content": "a b"}]
    last = ask(SESSION, type="generate", messages=messages, max_new_tokens=2)[-1]
    assert last.type == "trace" and last.body["generation"]["text"] == " word0 word1"
    assert last.body["input"]["messages"] == [*messages, {"role": "assistant", "content": " word0 word1"}]
    assert "not both" in error_of(ask(SESSION, type="generate", messages=messages, text="a"))[1]


def test_a_trace_is_continued_with_its_edits_or_with_others() -> None:
    edit = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0, "stack": None}
    first = ask(SESSION, type="generate", text="a b", edits=[edit], max_new_tokens=2)[-1].body
    more = ask(SESSION, type="generate", trace=first["trace"], max_new_tokens=3)
    assert [one["token"]["text"] for one in of_kind(more, "token")] == [" word0", " word1", " word2"]
    last = more[-1].body
    assert [token["text"] for token in last["tokens"]["text"]] == [
        *(token["text"] for token in first["tokens"]["text"]), " word0", " word1", " word2",
    ]  # fmt: skip
    assert last["edits"] == first["edits"] and last["generation"]["prompt"] == 4
    assert last["input"] == first["input"]
    without = ask(SESSION, type="generate", trace=first["trace"], max_new_tokens=1, edits=[])[-1].body
    assert without["edits"] == []
    for other in ({"text": "a"}, {"messages": [{"role": "user", "content": "a"}]}, {"target": "b"}):
        code, sentence = error_of(ask(SESSION, type="generate", trace=first["trace"], **other))
        assert code == "bad_request" and "Pass either `trace` or" in sentence
    assert error_of(ask(SESSION, type="generate", trace="nowhere"))[0] == "unknown"
    limited = Session([ModelEntry.loaded(FakeModel())], limits=Limits(tokens=8))
    long = ask(limited, type="run", text="a b c d e")[-1].body["trace"]
    assert error_of(ask(limited, type="generate", trace=long, max_new_tokens=4))[0] == "too_large"


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"max_new_tokens": 0}, "bad_request", "at least 1"),
        ({"max_new_tokens": "many"}, "bad_request", "must be an integer"),
        ({"temperature": "hot"}, "bad_request", "must be a number"),
        ({"temperature": -2}, "bad_request", "at least 0"),
        ({"stop": "."}, "bad_request", "list of at most"),
        ({"stop": [""]}, "bad_request", "must be a non-empty string"),
        ({"max_new_tokens": 13}, "too_large", "13 new tokens"),
        ({"text": "a " * 15}, "too_large", "20 tokens"),
        ({"text": "a" * 200}, "too_large", "characters"),
        ({"text": ""}, "bad_request", "empty"),
    ],
)
def test_an_invalid_request_is_rejected_before_the_model_runs(
    fields: dict[str, object], code: str, sentence: str
) -> None:
    def never(_layer: int) -> None:
        raise AssertionError

    session = Session(
        [ModelEntry.loaded(FakeModel(on_layer=never))], limits=Limits(tokens=19, characters=150, new_tokens=12)
    )
    found = error_of(ask(session, **{"type": "generate", "text": "a b", "max_new_tokens": 5, **fields}))
    assert found[0] == code
    assert sentence in found[1]


def test_a_newer_generation_replaces_the_older_one_of_the_same_page() -> None:
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    older: list[Message] = []
    thread = threading.Thread(
        target=lambda: older.extend(ask(session, type="generate", id="1", text="a", page="p", max_new_tokens=2))
    )
    thread.start()
    assert gate.reached.wait(30)
    newer = threading.Thread(target=lambda: ask(session, type="generate", id="2", text="b", page="p", max_new_tokens=1))
    newer.start()
    threading.Timer(0.1, gate.open.set).start()
    thread.join(30)
    newer.join(30)
    assert error_of(older) == ("cancelled", "A newer generation of this page took its place.")


def test_generation_stops_between_tokens_when_the_client_disconnects() -> None:
    heard: list[str] = []
    session = Session([ModelEntry.loaded(FakeModel(on_layer=lambda layer: heard.append(f"{layer}")))])
    responses = ask(session, type="generate", text="a", max_new_tokens=100, disconnected=lambda: len(heard) > 7)
    assert error_of(responses)[0] == "cancelled"
    assert len(of_kind(responses, "token")) == 2
