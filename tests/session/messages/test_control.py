"""The `control` request: it streams everything so far after each batch, can be canceled or replaced, and has limits."""

from __future__ import annotations

import threading

import pytest
from helpers import tiny_models
from helpers.session_requests import LayerGate, ask, error_of

import attnscope
from attnscope.edits import ScaleHead
from attnscope.model.effects import passes
from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing import FakeModel
from attnscope.wire import Message

TEXT = "a b c d e f"
EDIT = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0}


def traced(session: Session, text: str = TEXT, **fields: object) -> str:
    return ask(session, type="run", text=text, **fields)[-1].body["trace"]


def test_each_batch_sends_everything_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "TOKENS_AT_ONCE", 21)  # two edited rows in a batch
    model = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer(), name="tiny")
    session = Session([ModelEntry.loaded(model)])
    trace = traced(session, edits=[EDIT])
    answers = ask(session, type="control", trace=trace, over="heads", answer=5, foil=6, tokens=[5, 9])
    found = [one.body for one in answers if one.type == "control"]
    assert [len(one["values"]) for one in found] == [1, 3, 3]
    assert [one["total"] for one in found] == [3, 3, 3]
    wanted = model.control(TEXT, [ScaleHead(1, 2, 0.0)], answer=5, foil=6, over="heads")
    last = found[-1]
    assert last["values"] == pytest.approx(wanted.values.tolist(), abs=1e-5)
    assert (last["before"], last["after"]) == pytest.approx((wanted.before, wanted.after), abs=1e-5)
    assert last["where"] == list(wanted.where)
    assert (last["rank"], last["among"], last["sentence"]) == (wanted.rank, 4, wanted.sentence)
    assert last["metric"]["name"] == "logit" and last["seed"] == 0
    for head, row in zip((0, 1, 3), last["tokens"], strict=True):
        logits = model.trace(TEXT, edits=[ScaleHead(1, head, 0.0)]).logits
        assert logits is not None
        assert row == pytest.approx(logits[-1].double().softmax(-1)[[5, 9]].tolist(), abs=1e-6)
    for one in found[:-1]:
        count = len(one["values"])
        assert one["values"] == last["values"][:count] and one["tokens"] == last["tokens"][:count]
    progress = [one.body["text"] for one in answers if one.type == "progress"]
    assert progress == [
        "1 of 3 controls",
        "3 of 3 controls",
    ]


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"trace": "plain"}, "bad_request", "has no edits"),
        ({"over": "keys"}, "bad_request", "only controls over heads"),
        ({"draws": 0}, "bad_request", "`draws` must be from 1"),
        ({"draws": 1001}, "bad_request", "`draws` must be from 1"),
        ({"draws": 20}, "too_large", "Ask for at most 16 draws"),
        ({"tokens": ["a"]}, "bad_request", "`tokens`"),
        ({"tokens": [1] * 101}, "bad_request", "`tokens`"),
    ],
)
def test_an_invalid_request_is_refused_with_a_sentence(fields: dict[str, object], code: str, sentence: str) -> None:
    session = Session([ModelEntry.loaded(FakeModel())], limits=Limits(patched_tokens=100))
    asked = {"trace": traced(session, edits=[EDIT]), "draws": 3, **fields}
    if asked["trace"] == "plain":
        asked["trace"] = traced(session)
    found = error_of(ask(session, type="control", **asked))
    assert found[0] == code and sentence in found[1], found


@pytest.mark.parametrize("newer", ["control", "run"])
def test_a_newer_control_or_run_stops_the_older_control(newer: str) -> None:
    gate = LayerGate()
    gate.open.set()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    trace = traced(session, edits=[EDIT])
    gate.open.clear()
    gate.reached.clear()
    older: list[Message] = []
    asked = {"type": "control", "trace": trace, "page": "p"}
    thread = threading.Thread(target=lambda: older.extend(ask(session, **asked)))
    thread.start()
    assert gate.reached.wait(30)
    after: list[Message] = []
    fields = {"id": "2", "page": "p", "type": newer, "text": TEXT, "trace": trace}
    second = threading.Thread(target=lambda: after.extend(ask(session, **fields)))
    second.start()
    while not any(job.cancelled() for job in list(session._jobs._jobs)):
        thread.join(0.01)
    gate.open.set()
    thread.join(30)
    second.join(30)
    assert error_of(older) == ("cancelled", f"A newer {newer} of this page took its place.")
    assert after[-1].type == ("control" if newer == "control" else "trace")


def test_a_control_stops_between_batches_when_it_is_canceled() -> None:
    session = Session([ModelEntry.loaded(FakeModel(heads=40))])
    trace = traced(session, edits=[EDIT])
    seen: list[str] = []

    def disconnected() -> bool:
        seen.append("asked")
        return len(seen) > 20

    answers = ask(session, disconnected=disconnected, type="control", trace=trace)
    assert error_of(answers)[0] == "cancelled"
    assert 0 < sum(one.type == "control" for one in answers) < 39
