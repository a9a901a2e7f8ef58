"""Strings that are no text, and ids without end: an error that every client can read."""

from __future__ import annotations

import json

import pytest
from helpers.session_requests import ask, error_of

from attnscope.session import ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import LONGEST_NAME

JSON = {"content-type": "application/json"}
HALF = "\ud800"


def post(running, **fields: object):
    with running.client() as client:
        return client.post("/api", content=json.dumps({"v": 1, "id": "1", "type": "hello", **fields}), headers=JSON)


@pytest.mark.parametrize("name", ["id", "type"])
@pytest.mark.parametrize("value", [HALF, f"a{HALF}", "\udfff", "a" * (LONGEST_NAME + 1), "a" * 100_000])
def test_an_id_or_type_without_end_or_with_half_a_character_is_a_bad_request(running, name, value):
    answer = post(running, **{name: value})
    assert (answer.status_code, answer.json()["code"], answer.json()["id"]) == (400, "bad_request", "")
    assert f"`{name}`" in answer.json()["message"]


def test_the_longest_id_comes_back_with_an_error_as_with_an_answer(running):
    for ident in ("a" * LONGEST_NAME, "🙂" * LONGEST_NAME, '"' * LONGEST_NAME, "\x00" * LONGEST_NAME):
        assert post(running, id=ident).status_code == 200
        answer = post(running, id=ident, type="run", text=5)
        assert (answer.status_code, answer.json()["id"]) == (400, ident)


def test_an_error_that_quotes_a_request_is_short_and_has_its_status(running):
    answer = post(running, type="overview", trace="0", stack="🙂" * 20_000)
    assert answer.status_code == 404
    answer = post(
        running, type="run", text="a", edits=[{"type": "ScaleHead", "layer": 0, "head": 0, "factor": "é" * 50_000}]
    )
    assert answer.status_code == 400
    assert len(answer.json()["message"]) <= 2000


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "run", "text": HALF},
        {"type": "run", "text": "a", "pair": HALF},
        {"type": "run", "text": "a", "target": HALF},
        {"type": "run", "text": "a", "model": HALF},
        {"type": "run", "text": "a", "page": HALF},
        {"type": "run", "text": "a", "edits": [{"type": "CutEdge", "layer": 0, "head": 0, "query": HALF, "key": 0}]},
        {"type": "run", "text": "a", "edits": [{HALF: 0}]},
        {"type": "run", "text": "a", HALF: 0},
        {"type": "run", "messages": [{"role": "user", "content": HALF}]},
        {"type": "run", "messages": [{"role": HALF, "content": "a"}]},
        {"type": "generate", "text": "a", "stop": [HALF]},
        {"type": "patch", "clean": "a", "corrupted": "b", "answer": HALF},
        {"type": "patch", "clean": "a", "corrupted": "b", "answer": "a", "foil": HALF},
        {"type": "states", "trace": "0", "answer": HALF},
        {"type": "trace", "trace": HALF},
        {"type": "overview", "trace": "0", "stack": HALF},
        {"type": "cancel", "target": HALF},
    ],
)
def test_half_a_character_anywhere_in_a_request_is_named(running, fields):
    answer = post(running, **fields)
    assert (answer.status_code, answer.json()["id"]) == (400, "1")
    assert "half a character" in answer.json()["message"]
    session = Session([ModelEntry.loaded(FakeModel())])  # a notebook has no HTTP in between
    code, message = error_of(ask(session, **fields))
    assert code == "bad_request" and "half a character" in message


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_or_blank_text_is_refused(running, text):
    for fields in (
        {"type": "run", "text": text},
        {"type": "generate", "text": text},
        {"type": "patch", "clean": "a", "corrupted": text, "answer": "a"},
    ):
        answer = post(running, **fields)
        assert answer.status_code == 400 and "Enter a text" in answer.json()["message"]
