"""`align`, and `overview` with a baseline, in the fields of docs/reference/wire.md."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.session_requests import ask, error_of

from attnscope import analysis
from attnscope.session import ModelEntry, Session
from attnscope.testing import FakeModel

pytestmark = pytest.mark.core


@pytest.fixture
def session() -> Session:
    small = FakeModel(name="small", layers=2, heads=2, kv_heads=1)
    return Session([ModelEntry.loaded(FakeModel()), ModelEntry.loaded(small)])


def run(session: Session, text: str, **fields: object) -> str:
    return ask(session, type="run", text=text, **fields)[-1].body["trace"]


def test_align_says_what_corresponds(session):
    trace, baseline = run(session, "a x c d"), run(session, "a b c e d")
    (answer,) = ask(session, type="align", trace=trace, baseline=baseline)
    assert answer.body == {
        "last": True,
        "trace": trace,
        "baseline": baseline,
        "identical": False,
        "sides": {"text": [0, 1, 2, 4]},
        "substituted": [[1, 1]],
        "stacks": {"decoder": {"layers": 3, "note": None, "heads": [4, 4, 4]}},
        "notes": [
            "0 tokens of this pass and 1 of the baseline correspond to nothing, and have no difference.",
            "Some tokens are at another position in the baseline, which alone changes their attention.",
        ],
    }


def test_align_names_layers_and_heads_of_another_model_that_do_not_correspond(session):
    trace, baseline = run(session, "a b"), run(session, "a b", model="small")
    (answer,) = ask(session, type="align", trace=trace, baseline=baseline)
    stack = answer.body["stacks"]["decoder"]
    assert answer.body["identical"] is True and stack["heads"] == [2, 2, 0]
    assert "Layer 2 has no difference." in stack["note"]


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({}, "bad_request", "`baseline` must be a string; got nothing"),
        ({"baseline": 3}, "bad_request", "`baseline` must be a string"),
        ({"baseline": "f" * 32}, "unknown", "no longer in this session"),
        ({"baseline": "🙂" * 1000}, "unknown", "no longer in this session"),
    ],
)
def test_a_wrong_baseline_is_an_error(session, fields, code, said):
    found, message = error_of(ask(session, type="align", trace=run(session, "a b"), **fields))
    assert found == code and said in message
    if fields:
        found, message = error_of(ask(session, type="overview", trace=run(session, "a b"), stack="decoder", **fields))
        assert found == code and said in message


@pytest.mark.parametrize("kind", ["align", "overview"])
def test_inputs_that_share_nothing_are_an_error(session, kind):
    where = {"trace": run(session, "a b c"), "baseline": run(session, "x y"), "stack": "decoder"}
    code, message = error_of(ask(session, type=kind, **where))
    assert code == "bad_request" and "No token of the two passes corresponds" in message


@pytest.mark.parametrize("part", [None, "AB"])
def test_an_overview_with_a_baseline_has_signed_thumbnails(session, part):
    trace, baseline = run(session, "a b c", pair="d e"), run(session, "a x c", pair="d e")
    where = {"trace": trace, "stack": "decoder"}
    answers = ask(session, type="overview", **where, baseline=baseline, filter=part)
    for answer, plain in zip(answers, ask(session, type="overview", **where, filter=part), strict=True):
        assert answer.body["baseline"] == baseline and answer.body["unchanged"] is False
        assert {**answer.body, **plain.body} == answer.body
        assert all(np.array_equal(answer.tensors[name], value, equal_nan=True) for name, value in plain.tensors.items())
        change = torch.stack(
            [
                analysis.difference(session.trace(trace), session.trace(baseline), answer.body["layer"], head)
                for head in range(4)
            ]
        )
        assert answer.body["largest"] == pytest.approx(float(change.abs().max()), abs=1e-6)
        shown = change if part is None else change[:, :3, 3:]
        wanted = (shown.sign() * shown.abs().sqrt() * 127).round()
        assert answer.tensors["difference"].dtype == np.int8
        assert np.abs(answer.tensors["difference"] - wanted.numpy()).max() <= 1


def test_an_overview_of_the_same_pass_is_unchanged(session):
    trace = run(session, "a b c")
    for answer in ask(session, type="overview", trace=trace, stack="decoder", baseline=trace):
        assert answer.body["unchanged"] is True and answer.body["largest"] == 0
        assert "difference" not in answer.tensors


def test_layers_and_heads_without_counterpart_have_differences_of_0(session):
    trace, baseline = run(session, "a b c"), run(session, "a b c", model="small")
    first, _, last = ask(session, type="overview", trace=trace, stack="decoder", baseline=baseline)
    assert first.tensors["difference"][:2].any() and not first.tensors["difference"][2:].any()
    assert last.body["unchanged"] is False and last.body["largest"] == 0 and not last.tensors["difference"].any()
