"""The `effect` request: what a pass predicts beside its baseline, compared with the softmax of the logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import transformers
from helpers import tiny_models
from helpers.session_requests import ask, error_of

import attnscope
from attnscope.edits import ScaleHead
from attnscope.session import ModelEntry, Session, StoredTrace
from attnscope.wire import Message

TEXT = "a b c d e f"
EDIT = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0}
EDITS = [ScaleHead(1, 2, 0.0)]


@pytest.fixture(scope="module")
def model() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer(), name="tiny")


@pytest.fixture(scope="module")
def session(model: attnscope.Model) -> Session:
    saved = attnscope.Trace.from_attention([torch.eye(2).expand(1, 2, 2, 2)], ["a", "b"])
    return Session([ModelEntry.loaded(model)], traces=[StoredTrace.without_model(saved)])


def traced(session: Session, text: str = TEXT, **fields: object) -> str:
    return ask(session, type="run", text=text, **fields)[-1].body["trace"]


def effect(session: Session, trace: str, baseline: str, **fields: object) -> Mapping[str, Any]:
    answer = ask(session, type="effect", trace=trace, baseline=baseline, **fields)[-1]
    assert answer.type == "effect", answer.body
    return answer.body


def chances(trace: attnscope.Trace, position: int = -1) -> torch.Tensor:
    assert trace.logits is not None
    return trace.logits[position].double().softmax(-1)


def test_every_number_of_an_edited_pass_follows_from_the_logits(session: Session, model: attnscope.Model) -> None:
    found = effect(session, traced(session, edits=[EDIT]), traced(session), top=4)
    before, after = chances(model.trace(TEXT)), chances(model.trace(TEXT, edits=EDITS))
    assert (found["of"], found["position"], found["baseline_position"]) == ("token", 6, 6)
    listed = [one["id"] for one in found["tokens"]]
    assert set(listed) == {*before.topk(4).indices.tolist(), *after.topk(4).indices.tolist()}
    assert listed == sorted(listed, key=lambda one: -float(after[one]))
    for one in found["tokens"]:
        for name, wanted in (("before", before), ("after", after)):
            assert one[name]["probability"] == pytest.approx(float(wanted[one["id"]]), abs=1e-6)
            assert one[name]["rank"] == 1 + int((wanted > wanted[one["id"]]).sum())
    assert found["moved"] == pytest.approx(float((after - before).abs().sum() / 2), abs=1e-6)
    for name, wanted in (("before", before), ("after", after)):
        assert found["others"][name] == pytest.approx(1 - float(wanted[listed].sum()), abs=1e-6)
    first, second = before.topk(2).indices.tolist()
    wanted = model.effect(TEXT, EDITS, answer=first, foil=second)
    metric = found["metric"]
    assert (metric["name"], metric["answer"]["id"], metric["foil"]["id"]) == ("logit", first, second)
    assert (metric["before"], metric["after"]) == pytest.approx((wanted.before, wanted.after), abs=1e-5)
    assert 0 < metric["error"] < 1e-5
    assert found["kinds"] == [{"over": "heads", "draws": 3, "all": True, "words": "3 other heads of layer 1"}]
    assert found["no_control"] is None


def test_answers_of_several_tokens_are_measured_in_passes(session: Session, model: attnscope.Model) -> None:
    trace, baseline = traced(session, edits=[EDIT]), traced(session)
    wanted = model.effect(TEXT, EDITS, answer=[5, 6], foil=[7])
    metric = effect(session, trace, baseline, answer=[5, 6], foil=7)["metric"]
    assert (metric["name"], metric["answer"]["id"], metric["foil"]["id"]) == ("log_probability", -1, 7)
    assert (metric["before"], metric["after"]) == pytest.approx((wanted.before, wanted.after), abs=1e-5)
    other = traced(session, "b a c")
    metric = effect(session, trace, other, answer=[5, 6])["metric"]
    alone = model.effect("b a c", [], answer=[5, 6])
    assert metric["before"] == pytest.approx(alone.before, abs=1e-5)
    assert metric["after"] == pytest.approx(model.effect(TEXT, EDITS, answer=[5, 6]).after, abs=1e-5)


def test_another_prompt_is_measured_on_its_own_trace(session: Session, model: attnscope.Model) -> None:
    found = effect(session, traced(session), traced(session, "a b d e f"), answer=5, metric="probability")
    before, after = chances(model.trace("a b d e f")), chances(model.trace(TEXT))
    assert found["metric"]["before"] == pytest.approx(float(before[5]), abs=1e-6)
    assert found["metric"]["after"] == pytest.approx(float(after[5]), abs=1e-6)
    assert (found["position"], found["baseline_position"]) == (6, 5)
    aligned = effect(session, traced(session), traced(session, "a b d e f"), position=5)
    assert aligned["baseline_position"] == 4
    assert aligned["tokens"][0]["before"]["probability"] == pytest.approx(
        float(chances(model.trace("a b d e f"), 4)[aligned["tokens"][0]["id"]]), abs=1e-6
    )
    lost = ask(session, type="effect", trace=traced(session), baseline=traced(session, "a b d e f"), position=2)
    assert "corresponds to no single token" in error_of(lost)[1]
    named = effect(session, traced(session), traced(session, "a b d e f"), position=3, baseline_position=1)
    assert named["baseline_position"] == 1


def test_there_is_a_control_only_beside_the_same_input_without_edits(session: Session) -> None:
    plain, edited = traced(session), traced(session, edits=[EDIT])
    assert "There are no edits" in effect(session, plain, plain)["no_control"]
    for baseline in (edited, traced(session, "b a c")):
        found = effect(session, edited, baseline)
        assert found["kinds"] == [] and "the baseline here is another pass" in found["no_control"]


def test_labels_and_masked_tokens_are_compared(session: Session) -> None:
    bert = attnscope.Model(tiny_models.build("bert"), tiny_models.words_tokenizer(), name="bert")
    masked = Session([ModelEntry.loaded(bert)])
    found = effect(masked, traced(masked, "a [MASK] b", edits=[EDIT]), traced(masked, "a [MASK] b"))
    before = bert.trace("a [MASK] b")
    at = next(i for i, token in enumerate(before.tokens) if token.id == bert.tokenizer.mask_token_id)
    assert found["position"] == at
    best = found["metric"]["answer"]["id"]
    assert best == int(chances(before, at).argmax())


def test_a_prediction_of_labels_has_no_control_and_says_why() -> None:
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 99,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
    }
    config = transformers.BertConfig(**sizes, num_labels=3)
    model = attnscope.Model(
        transformers.BertForSequenceClassification(config).eval(), tiny_models.words_tokenizer(), name="labels"
    )
    labels = Session([ModelEntry.loaded(model)])
    found = effect(labels, traced(labels, "a b", edits=[EDIT]), traced(labels, "a b"))
    assert (found["of"], found["kinds"]) == ("label", [])
    assert found["no_control"] == "This model predicts labels; controls are measured on the prediction of a token."


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"baseline": "nowhere"}, "unknown", "no longer in this session"),
        ({"baseline": None}, "bad_request", "`baseline` must be a string"),
        ({"top": 0}, "bad_request", "from 1 to 100"),
        ({"answer": 1000}, "bad_request", "not a token id"),
        ({"foil": 5}, "bad_request", "`foil` needs an `answer`"),
        ({"metric": "beauty"}, "bad_request", "must be one of logit"),
        ({"answer": [5, 6], "metric": "logit"}, "bad_request", "no single logit"),
        ({"answer": [5, 6], "position": 2}, "bad_request", "continues the text"),
        ({"position": 99}, "bad_request", "99"),
    ],
)
def test_an_invalid_request_is_refused_with_a_sentence(
    session: Session, fields: dict[str, object], code: str, sentence: str
) -> None:
    place = {"type": "effect", "trace": traced(session, edits=[EDIT]), "baseline": traced(session)}
    found = error_of(ask(session, **{**place, **fields}))
    assert found[0] == code and sentence in found[1], found


def test_a_trace_without_its_model_has_no_effect(session: Session) -> None:
    saved = ask(session, type="hello")[-1].body["trace"]
    assert error_of(ask(session, type="effect", trace=saved, baseline=saved))[0] == "unsupported"
    assert error_of(ask(session, type="control", trace=saved))[0] in ("unsupported", "bad_request")


def edits_of(session: Session, trace: str, edits: list[object]) -> Message:
    return ask(session, type="edits", trace=trace, edits=edits)[-1]


def test_edits_have_their_python_and_the_reason_against_baking(session: Session) -> None:
    cut = {"type": "CutEdge", "layer": 1, "head": 0, "query": "d", "key": ["b", 1]}
    half = {"type": "ScaleNeuron", "layer": 1, "head": 0, "dims": [0], "factor": 0.5}
    pair = {**half, "dims": [0, 4]}
    found = edits_of(session, traced(session), [EDIT, cut, half, pair]).body["edits"]
    assert [one["python"] for one in found][:2] == [
        "ScaleHead(layer=1, head=2, factor=0.0)",
        "CutEdge(layer=1, head=0, query='d', key=('b', 1))",
    ]
    names: dict[str, Any] = {}
    exec("from attnscope.edits import *", names)
    assert eval(found[0]["python"], names) == EDITS[0]
    problems = [one["bake"] for one in found]
    assert problems[0] is problems[3] is None
    assert "does not change weights" in problems[1] and "rotate together" in problems[2]
    wrong = [
        ({**EDIT, "layer": 9}, "ScaleHead names layer 9"),
        ({**cut, "query": "z"}, "z"),
        ({**cut, "query": 50}, "CutEdge names query 50"),
    ]
    for edit, sentence in wrong:
        answer = edits_of(session, traced(session), [EDIT, edit])
        assert answer.body["code"] == "bad_request" and sentence in answer.body["message"]
    saved = ask(session, type="hello")[-1].body["trace"]
    assert "has no model" in edits_of(session, saved, [EDIT]).body["edits"][0]["bake"]
