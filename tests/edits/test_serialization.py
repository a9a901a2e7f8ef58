"""Edits as Python source, as JSON and as a sentence."""

from __future__ import annotations

import json

import pytest
import torch

from attnscope import edits
from attnscope.edits import *  # noqa: F403 - what a printed edit is read with
from attnscope.edits import (
    AddVector,
    CutEdge,
    Edit,
    MeanHead,
    PatchHead,
    ResampleHead,
    ScaleHead,
    ScaleNeuron,
    SetAttention,
    TraceRef,
)
from attnscope.edits.plan import plan
from attnscope.edits.serialization import sentence_of, unresolved
from attnscope.errors import MissingError
from attnscope.testing.fake_model import FakeModel
from attnscope.types import LayerShape, Stack

pytestmark = pytest.mark.core

TRACE = FakeModel().trace("one two three")
STACKS = {"decoder": Stack.of([LayerShape(4, 2, 8, 6), None, LayerShape(4, 2, 8, 6)])}
EVERY: list[Edit] = [
    ScaleHead(2, 1, 0),
    MeanHead(0, 1, TRACE),
    MeanHead(0, 1, torch.ones(3, 6)),
    ResampleHead(0, 3, [TRACE, TRACE], seed=4),
    SetAttention(0, 1, query=2, key=0, weight=0.25, stack="decoder"),
    CutEdge(0, 1, 2, 0),
    ScaleNeuron(0, 1, (5, 1), -2, vector="k"),
    PatchHead(0, 0, source=TRACE),
    PatchHead(0, 0, TRACE, what="output"),
    AddVector(0, None, torch.arange(4.0)),
    AddVector(0, 3, [1, 2], at="input"),
]


@pytest.mark.parametrize("edit", EVERY, ids=lambda edit: edit.kind)
def test_an_edit_survives_repr_and_json(edit: Edit) -> None:
    again = eval(repr(edit))
    assert again == edit
    assert hash(again) == hash(edit)
    assert edits.from_json(edits.to_json([edit]), traces=[TRACE]) == [edit]
    assert json.loads(edits.to_json([edit]))[0]["type"] == edit.kind


def test_a_sentence_describes_the_edits() -> None:
    said = sentence_of([edit.as_json() for edit in EVERY])
    assert said.startswith("Modified by 11 edits: head 2.1 ablated; head 0.1 replaced by its mean over trace ")
    for part in (
        TRACE.id[:12],
        "2 other traces",
        "a supplied array",
        "vector added to token 3 at the input of layer 0",
    ):
        assert part in said
    assert len(sentence_of([AddVector(0, None, [0.5] * 576).as_json()])) < 100
    assert sentence_of([ScaleHead(0, 0, 1).as_json()] * 500).endswith("; and 488 more.")
    assert sentence_of([]) == ""


def test_a_trace_in_an_edit_is_written_as_its_id() -> None:
    written = edits.to_json([PatchHead(0, 0, source=TRACE)])
    assert json.loads(written)[0]["source"] == {"trace": TRACE.id}
    with pytest.raises(MissingError, match=TRACE.id):
        edits.from_json(written)
    assert unresolved(written) == [PatchHead(0, 0, source=TraceRef(TRACE.id))]
    with pytest.raises(MissingError, match="was not found"):
        plan(unresolved(written), STACKS)
