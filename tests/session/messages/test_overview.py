"""`overview` and `edge` responses: measures, parts and edges match the trace, in the fields of docs/reference/wire.md."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.session_requests import ask, error_of

from attnscope.analysis import MEASURES
from attnscope.analysis.overview import overview
from attnscope.session import InputText, ModelEntry, Session, StoredTrace
from attnscope.testing.fake_model import FakeModel

pytestmark = pytest.mark.core

NAMES = [measure.name for measure in MEASURES]


@pytest.fixture(params=["decoder", "encoder"])
def held(request) -> StoredTrace:
    model = FakeModel(kind=request.param)
    return StoredTrace(model.trace("a b c b a", "d e a b"), model, InputText("a b c b a", "d e a b"))


@pytest.fixture
def session(held) -> Session:
    return Session([ModelEntry.loaded(held.model)], traces=[held])


@pytest.fixture
def where(held) -> dict[str, str]:
    return {"trace": held.trace.id, "stack": held.model.kind}


def test_hello_describes_every_measure(session):
    measures = ask(session, type="hello")[-1].body["measures"]
    assert [one["name"] for one in measures] == NAMES
    assert all(set(one) == {"name", "title", "unit", "range", "sentence"} for one in measures)
    assert json.loads(json.dumps(measures)) == measures


def test_an_overview_has_the_measures_of_every_layer(session, held, where):
    responses = ask(session, type="overview", **where)
    for response, one in zip(responses, overview(held.trace), strict=True):
        assert response.body["measures"] == NAMES
        assert response.body["part"] == {"queries": [0, 9], "keys": [0, 9]}
        for name, expected in (("measures", one.measures), ("measures_off_sink", one.measures_off_sink)):
            tensor = response.tensors[name]
            assert tensor.dtype == np.float32 and tensor.shape == (len(NAMES), 4)
            assert np.array_equal(tensor, expected.numpy(), equal_nan=True)


@pytest.mark.parametrize(
    ("part", "queries", "keys"),
    [("AA", (0, 5), (0, 5)), ("AB", (0, 5), (5, 9)), ("BA", (5, 9), (0, 5)), ("BB", (5, 9), (5, 9))],
)
def test_a_filter_crops_the_thumbnails_but_not_the_measures(session, held, where, part, queries, keys):
    everything = ask(session, type="overview", **where)
    for response, whole in zip(ask(session, type="overview", **where, filter=part), everything, strict=True):
        assert response.body["part"] == {"queries": list(queries), "keys": list(keys)}
        for head in range(4):
            weights = held.trace.attention(response.body["layer"], head)[slice(*queries), slice(*keys)]
            expected = (weights.sqrt() * 255).round().numpy()
            assert np.abs(response.tensors["thumbnails"][head] - expected).max() <= 1
        assert np.allclose(response.tensors["measures"], whole.tensors["measures"], atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(("chosen", "said"), [("BC", "Unknown filter 'BC'"), (3, "`filter` must be a string")])
def test_an_unknown_filter_is_an_error(session, where, chosen, said):
    code, message = error_of(ask(session, type="overview", **where, filter=chosen))
    assert code == "bad_request" and said in message


def test_a_filter_needs_two_sentences(session, where):
    trace = ask(session, type="run", text="a b")[-1].body["trace"]
    code, message = error_of(ask(session, type="overview", **{**where, "trace": trace}, filter="AB"))
    assert code == "bad_request" and "two sentences" in message


def test_an_edge_response_covers_every_head(session, held, where):
    (response,) = ask(session, type="edge", **where, query=6, key=3)
    assert (response.body["query"], response.body["key"]) == (6, 3)
    tensors = response.tensors
    assert {name: str(tensor.dtype) for name, tensor in tensors.items()} == {
        **dict.fromkeys(("layer", "head", "rank", "rank_off_sink", "among", "among_off_sink"), "int32"),
        **dict.fromkeys(("weight", "weight_off_sink", "score"), "float32"),
    }
    assert tensors["layer"].tolist() == [layer for layer in range(3) for _ in range(4)]
    assert tensors["head"].tolist() == list(range(4)) * 3
    for place, (layer, head) in enumerate(zip(tensors["layer"].tolist(), tensors["head"].tolist(), strict=True)):
        row = held.trace.attention(layer, head, rows=[6])[0]
        assert tensors["weight"][place] == pytest.approx(float(row[3]))
        assert tensors["score"][place] == pytest.approx(float(held.trace.scores(layer, head, rows=[6])[0, 3]), rel=1e-4)
        open_ = row[:7] if where["stack"] == "decoder" else row
        assert tensors["rank"][place] == open_.sort(descending=True).values.tolist().index(float(row[3])) + 1
        assert tensors["among"][place] == len(open_)


def test_an_edge_to_a_masked_key_has_no_rank(session, where):
    (response,) = ask(session, type="edge", **where, query=3, key=6)
    decoder = where["stack"] == "decoder"
    assert bool((response.tensors["rank"] == 0).all()) == decoder
    assert bool(np.isneginf(response.tensors["score"]).all()) == decoder


@pytest.mark.parametrize(
    "wrong", [{"query": 9, "key": 0}, {"query": 0, "key": -1}, {"query": 0}, {"query": "a", "key": 0}]
)
def test_an_edge_out_of_range_is_an_error(session, where, wrong):
    assert error_of(ask(session, type="edge", **where, **wrong))[0] == "bad_request"
