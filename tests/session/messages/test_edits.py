"""Edits in requests: applied, recorded, or rejected with an error; the responses about an edited layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import build, ids

import attnscope
from attnscope.edits import CutEdge, ScaleHead, SetAttention
from attnscope.session import Session
from attnscope.session.limits import Limits
from attnscope.session.messages.layer import layer_message
from attnscope.session.messages.values import values_message
from attnscope.session.model_catalog import ModelEntry
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import Message, decode

pytestmark = pytest.mark.core

FAKE = FakeModel()


def answer(session: Session, kind: str, **body: Any) -> Message:
    found: list[Message] = []
    session.answer(Message(kind, "1", body), lambda data: found.append(decode(data)))
    return found[-1]


@pytest.fixture
def session() -> Session:
    return Session([ModelEntry("fake", "Fake", "decoder", lambda: FAKE)], limits=Limits(edits=2))


def test_a_run_with_edits_records_them_in_the_trace(session: Session) -> None:
    first = answer(session, "run", text="one two three")
    edits = [
        {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0},
        {"type": "PatchHead", "layer": 1, "head": 0, "source": {"trace": first.body["trace"]}, "what": "output"},
    ]
    edited = answer(session, "run", text="one two three", edits=edits)
    assert edited.type == "trace"
    assert edited.body["edits"] == edits
    assert edited.body["trace"] != first.body["trace"]
    assert answer(session, "generate", text="one two", edits=edits[:1]).body["edits"] == edits[:1]


def test_the_input_of_a_trace_runs_again_with_other_edits(session: Session) -> None:
    off = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0}
    first = answer(session, "run", text="one two three")
    again = answer(session, "run", trace=first.body["trace"], edits=[off])
    assert again.body["trace"] == answer(session, "run", text="one two three", edits=[off]).body["trace"]
    assert answer(session, "run", trace=again.body["trace"]).body["trace"] == first.body["trace"]
    assert answer(session, "run", trace="gone").body["code"] == "unknown"


def test_a_continuation_runs_again_with_edits_on_its_very_tokens() -> None:
    model = attnscope.load("smollm2")
    session = Session([ModelEntry.loaded(model)])
    made = answer(session, "generate", text="The quick, brown fox", max_new_tokens=4)
    off = ScaleHead(23, 3, 0.0)
    again = answer(session, "run", trace=made.body["trace"], edits=[off.as_json()])
    ids = session.trace(made.body["trace"]).inputs["input_ids"]
    assert torch.equal(session.trace(again.body["trace"]).inputs["input_ids"], ids)
    with model.edited([off]) as hooked:
        wanted = hooked(input_ids=ids).logits
    assert torch.allclose(session.trace(again.body["trace"]).logits, wanted[0], atol=2e-3)


def test_edits_may_name_words_and_the_trace_says_which_tokens_they_are(session: Session) -> None:
    cut = {"type": "CutEdge", "layer": 1, "head": 2, "query": "three", "key": ["one", 1]}
    edited = answer(session, "run", text="one two three", edits=[cut])
    assert edited.body["edits"] == [cut | {"query": 2, "key": 0}]
    span = answer(session, "run", text="one two three", edits=[cut | {"query": "two three", "key": [0, 1]}])
    assert span.body["edits"] == [cut | {"query": [1, 2], "key": [0, 1]}]
    refused = answer(session, "run", text="one two three", edits=[cut | {"key": "four"}])
    assert refused.body["code"] == "bad_request" and '"four" is not a word of the text' in refused.body["message"]


@pytest.mark.parametrize(
    ("edits", "code", "says"),
    [
        ({"type": "ScaleHead"}, "bad_request", "must be a list of JSON objects"),
        ([1], "bad_request", "a JSON object with a `type`"),
        ([{"type": "ScaleHead", "layer": 1, "head": -2, "factor": 0}], "bad_request", "`head` of ScaleHead"),
        ([{"type": "PatchHead", "layer": 0, "head": 0, "source": {"trace": "gone"}}], "unknown", "gone"),
        ([{}] * 3, "too_large", "3 edits"),
    ],
)
def test_an_invalid_edit_is_an_error(session: Session, edits: Any, code: str, says: str) -> None:
    refused = answer(session, "run", text="one two three", edits=edits)
    assert (refused.type, refused.body["code"]) == ("error", code)
    assert says in refused.body["message"]


def test_responses_include_edited_rows_cut_edges_and_scaled_outputs() -> None:
    model = attnscope.Model(build("llama"))
    edits = [SetAttention(1, 2, 5, 1, 0.7), CutEdge(1, 0, 3, 2), ScaleHead(1, 2, -0.5)]
    plain, edited = model.trace(ids()), model.trace(ids(), edits=edits)
    _, arrays = layer_message(edited.layer_record(1), Limits())
    assert arrays["rows_at"].tolist() == [[0, 3], [2, 5]]
    assert arrays["rows_attention"].dtype == np.float32
    assert np.array_equal(arrays["rows_attention"][1], edited.attention(1, 2)[5].numpy())
    assert arrays["cuts"].tolist() == [[0, 3, 2]]
    assert not {"rows_at", "cuts"} & layer_message(plain.layer_record(1), Limits())[1].keys()
    norms = [
        values_message(one.layer_record(1), one.traced_stack().projections[1], Limits(), no_projection_note="")[1]
        for one in (plain, edited)
    ]
    assert np.allclose(norms[1]["transformed_norm"][2], 0.5 * norms[0]["transformed_norm"][2], rtol=1e-5)
    weighted = attnscope.analysis.value_weighted(edited, 1, 2)
    assert torch.allclose(
        weighted, edited.attention(1, 2) * torch.from_numpy(norms[1]["transformed_norm"][2]), atol=1e-5
    )
