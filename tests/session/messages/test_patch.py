"""The `patch` and `states` requests: limits are checked first, progress is by layer, and a newer request replaces them."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from helpers.session_requests import LayerGate, ask, error_of

from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel

SESSION = Session([ModelEntry.loaded(FakeModel())])


def test_a_sweep_response_has_its_arrays_and_labels():
    responses = ask(SESSION, type="patch", clean="a b c", corrupted="a d c", answer=" x", foil=4, layers=[0, 2])
    progress, last = responses[:-1], responses[-1]
    assert [one.type for one in progress] == ["progress"] * len(progress) and progress[-1].body["stage"] == "patch"
    assert last.type == "patch"
    body, found = last.body, FakeModel().patch("a b c", "a d c", layers=[0, 2])
    assert (body["layers"], body["columns"], body["labels"]) == ([0, 2], [0, 1, 2, 3], ["0", "1", "2", "3"])
    assert (body["clean"], body["corrupted"], body["metric"]) == (0.75, 0.25, "logit")
    assert body["answer"] == {"text": " x", "id": 7} and body["foil"] == {"text": " word4", "id": 4}
    assert np.allclose(last.tensors["values"], found.values) and last.tensors["values"].dtype == np.float32
    assert np.allclose(last.tensors["effects"], found.values - 0.25)
    assert not last.tensors["unchanged"].any()


def test_states_come_with_the_logit_lens_and_the_logit_attribution():
    trace = ask(SESSION, type="run", text="a b c")[-1].body["trace"]
    last = ask(SESSION, type="states", trace=trace, answer=3, top=2)[-1]
    assert last.type == "states"
    body, tensors = last.body, last.tensors
    assert tensors["norms"].shape == (4, 3)
    assert tensors["top"].shape == tensors["probability"].shape == (4, 3, 2)
    assert set(body["texts"]) == {str(ident) for ident in np.unique(tensors["top"])}
    assert (body["answer"], body["total"], body["remainder"]) == ({"text": " word3", "id": 3}, 1.0, 0.25)
    assert body["share_kind"] == ["embedding", "head"]
    assert tensors["share_layer"].tolist() == [-1, 0] and tensors["share_head"].tolist() == [-1, 1]
    assert "top" not in ask(SESSION, type="states", trace=trace, top=0)[-1].tensors


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"clean": None}, "bad_request", "`clean` must be a string"),
        ({"clean": ""}, "bad_request", "empty"),
        ({"what": "logits"}, "bad_request", "one of output"),
        ({"answer": 1.5}, "bad_request", "a text, the id of a token, or a list of ids"),
        ({"layers": "all"}, "bad_request", "list of 1 to 100,000 integers"),
        ({"layers": [0, "1"]}, "bad_request", "must be an integer"),
        ({"layers": [0, None]}, "bad_request", "list of integers"),
        ({"clean": "a " * 20}, "too_large", "20 tokens"),
        ({"clean": "a" * 200}, "too_large", "characters"),
        ({"clean": "a b c d e f g"}, "too_large", "84 tokens in total"),
        ({"what": "residual", "clean": "a b c d e f"}, "too_large", "108 tokens in total"),
        ({"target": "x"}, "bad_request", "no target side"),
    ],
)
def test_an_invalid_sweep_is_rejected_before_the_model_runs(fields, code, sentence):
    def never(_layer: int) -> None:
        raise AssertionError

    limits = Limits(tokens=19, characters=150, patched_tokens=80)
    session = Session([ModelEntry.loaded(FakeModel(on_layer=never))], limits=limits)
    found = error_of(ask(session, **{"type": "patch", "clean": "a b", "corrupted": "a c", **fields}))
    assert found[0] == code and sentence in found[1]


@pytest.mark.parametrize(("fields", "code"), [({"top": 21}, "bad_request"), ({"trace": "0" * 32}, "unknown")])
def test_invalid_states_requests_are_errors(fields, code):
    trace = ask(SESSION, type="run", text="a b")[-1].body["trace"]
    assert error_of(ask(SESSION, **{"type": "states", "trace": trace, **fields}))[0] == code


def test_prompts_of_different_lengths_and_answers_of_several_tokens_are_accepted():
    body = ask(SESSION, type="patch", clean="a b", corrupted="a b c", answer=[3, 4], foil=5)[-1].body
    assert body["answer"] == {"text": " word3 word4", "id": -1} and body["notes"] == []
    code, message = error_of(ask(SESSION, type="patch", clean="a b", corrupted="c d e"))
    assert code == "bad_request" and "no corresponding words" in message


@pytest.mark.parametrize("kind", ["patch", "states"])
def test_a_newer_request_replaces_the_older_one_of_the_same_page(kind):
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    fields: dict[str, object] = {"clean": "a b", "corrupted": "a c"}
    if kind == "states":
        gate.open.set()
        fields = {"trace": ask(session, type="run", text="a b")[-1].body["trace"]}
        gate.reached.clear()
        gate.open.clear()
    answers: dict[str, list] = {}

    def older() -> None:
        answers["older"] = ask(session, type=kind, id="older", page="p", **fields)

    thread = threading.Thread(target=older)
    thread.start()
    assert gate.reached.wait(20)
    newer = threading.Thread(
        target=lambda: answers.update(newer=ask(session, type=kind, id="newer", page="p", **fields))
    )
    newer.start()
    while not any(job.cancelled() for job in list(session._jobs._jobs)):
        thread.join(0.01)
    gate.open.set()
    thread.join(20)
    newer.join(20)
    assert error_of(answers["older"])[0] == "cancelled" and answers["newer"][-1].type == kind
