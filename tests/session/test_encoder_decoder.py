"""An encoder-decoder model in a session: source and target, and all messages about each of the three stacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import tiny_models
from helpers.session_requests import ask, error_of

import attnscope
from attnscope.session import ModelEntry, Session, StoredTrace
from attnscope.testing.fake_model import FakeModel

STACKS = {"encoder": (12, 12), "decoder": (5, 5), "cross": (5, 12)}


@pytest.fixture(scope="module")
def trace() -> attnscope.Trace:
    return attnscope.Model(tiny_models.build("t5")).trace(tiny_models.ids(12), target=tiny_models.ids(5)[::-1])


@pytest.fixture(scope="module")
def session(trace: attnscope.Trace) -> Session:
    return Session([ModelEntry.loaded(FakeModel(kind="encoder-decoder"))], traces=[StoredTrace.without_model(trace)])


def test_a_run_with_a_target_has_three_stacks_and_two_sides(session: Session) -> None:
    body = ask(session, type="run", text="a b c", target="d e")[-1].body
    assert body["input"] == {"text": "a b c", "pair": None, "target": "d e"}
    assert {side: len(tokens) for side, tokens in body["tokens"].items()} == {"source": 3, "target": 2}
    assert {name: (one["query"], one["key"]) for name, one in body["stacks"].items()} == {
        "encoder": ("source", "source"),
        "decoder": ("target", "target"),
        "cross": ("target", "source"),
    }
    own = ask(session, type="run", text="a b c")[-1].body
    assert own["input"]["target"] is None and len(own["tokens"]["target"]) == 3


def test_a_target_is_a_bad_request_unless_the_model_is_an_encoder_decoder() -> None:
    session = Session([ModelEntry.loaded(FakeModel())])
    code, message = error_of(ask(session, type="run", text="a", target="b"))
    assert code == "bad_request" and "no target side" in message


@pytest.mark.parametrize("stack", STACKS)
def test_layers_tiles_and_edges_of_every_stack_match_the_trace(
    session: Session, trace: attnscope.Trace, stack: str
) -> None:
    queries, keys = STACKS[stack]
    layer = ask(session, type="layer", trace=trace.id, stack=stack, layer=1)[-1]
    assert (layer.body["queries"], layer.body["keys"]) == (queries, keys)
    assert layer.body["bias"] == (None if stack == "cross" else {"kind": "relative"})
    if stack != "cross":  # one number per distance, so nothing has tokens x tokens entries
        assert layer.tensors["bias"].shape == (4, queries + keys - 1)
    tile = ask(session, type="tile", trace=trace.id, stack=stack, layer=1, heads=[3], rows=[4, 0])[-1]
    expected = trace.attention(1, 3, stack, rows=[4, 0]).numpy()
    np.testing.assert_allclose(tile.tensors["attention"][0], expected, atol=1e-7)
    edge = ask(session, type="edge", trace=trace.id, stack=stack, query=2, key=1)[-1]
    assert edge.tensors["weight"][4 + 3] == pytest.approx(float(trace.attention(1, 3, stack)[2, 1]), abs=1e-6)


def test_the_overview_of_cross_attention_has_only_measures_defined_for_it(
    session: Session, trace: attnscope.Trace
) -> None:
    names = [measure.name for measure in attnscope.analysis.MEASURES]
    first = ask(session, type="overview", trace=trace.id, stack="cross")[0]
    assert (first.body["rows"], first.body["columns"]) == (5, 12)
    defined = {name for name, row in zip(names, first.tensors["measures"], strict=True) if not np.isnan(row).all()}
    assert {"entropy", "normalized_entropy", "confidence"} <= defined
    assert not {"distance", "previous", "self", "next", "induction", "duplicate_token", "a_to_b"} & defined
    weights = torch.stack([trace.attention(0, head, "cross") for head in range(4)])
    entropy = -(weights * weights.log()).sum(-1).mean(-1)
    np.testing.assert_allclose(first.tensors["measures"][names.index("entropy")], entropy, atol=1e-5)
