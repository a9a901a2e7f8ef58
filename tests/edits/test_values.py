"""Edits as values: compared, written, read, checked against a model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
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
from attnscope.errors import InputError, MissingError
from attnscope.testing.fake_model import FakeModel
from attnscope.types import LayerShape, Rotary, Stack

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
def test_an_edit_is_the_same_after_repr_and_after_json(edit: Edit) -> None:
    again = eval(repr(edit))
    assert again == edit
    assert hash(again) == hash(edit)
    assert edits.from_json(edits.to_json([edit]), traces=[TRACE]) == [edit]
    assert json.loads(edits.to_json([edit]))[0]["type"] == edit.kind


@pytest.mark.parametrize("dims", [torch.tensor([5, 1]), np.array([1, 5]), range(1, 6, 4), {5, 1}])
def test_dimensions_may_come_in_any_collection(dims: Any) -> None:
    assert ScaleNeuron(0, 1, dims, 2) == ScaleNeuron(0, 1, (1, 5), 2)
    assert ScaleNeuron(0, 1, np.int64(5), 2) == ScaleNeuron(0, 1, torch.tensor(5), 2) == ScaleNeuron(0, 1, 5, 2)


def test_what_changed_a_pass_is_said_in_words() -> None:
    said = edits.sentence_of([edit.as_json() for edit in EVERY])
    assert said.startswith("Changed by 11 edits: head 2.1 is off; head 0.1 gives its mean over trace ")
    for part in (TRACE.id[:12], "2 other traces", "given numbers", "a vector added to token 3 at the input of layer 0"):
        assert part in said
    assert len(edits.sentence_of([AddVector(0, None, [0.5] * 576).as_json()])) < 100
    assert edits.sentence_of([ScaleHead(0, 0, 1).as_json()] * 500).endswith("; and 488 more.")
    assert edits.sentence_of([]) == ""


def test_edits_differ_where_they_say_something_else() -> None:
    assert len({*EVERY, ScaleHead(2, 1, 0), ScaleHead(2, 1, 1), ScaleHead(2, 1, 0, stack="decoder")}) == len(EVERY) + 2
    assert ScaleHead(2, 1, 0) != "ScaleHead(2, 1, 0)"


def test_a_trace_in_an_edit_is_written_as_its_id() -> None:
    written = edits.to_json([PatchHead(0, 0, source=TRACE)])
    assert json.loads(written)[0]["source"] == {"trace": TRACE.id}
    with pytest.raises(MissingError, match=TRACE.id):
        edits.from_json(written)
    assert edits.unresolved(written) == [PatchHead(0, 0, source=TraceRef(TRACE.id))]
    with pytest.raises(MissingError, match="not here"):
        edits.plan(edits.unresolved(written), STACKS)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ScaleHead(-1, 0, 1), "`layer` of ScaleHead"),
        (lambda: ScaleHead(0, 1.5, 1), "`head` of ScaleHead"),
        (lambda: ScaleHead(0, 0, float("nan")), "finite number"),
        (lambda: ScaleHead(0, 0, "2"), "finite number"),
        (lambda: SetAttention(0, 0, 0, 0, 1.5), "between 0 and 1"),
        (lambda: ScaleHead(torch.tensor([1, 2]), 0, 1), "`layer` of ScaleHead"),
        (lambda: ScaleHead(0, torch.tensor(1.0), 1), "`head` of ScaleHead"),
        (lambda: ScaleNeuron(0, 0, [], 2), "`dims`"),
        (lambda: ScaleNeuron(0, 0, torch.ones(2, 2, dtype=torch.long), 2), "in `dims`"),
        (lambda: ScaleNeuron(0, 0, 1, 2, vector=np.array(["q", "k"])), "one of q, k, v"),
        (lambda: MeanHead(0, 0, [True, False]), "real numbers"),
        (lambda: MeanHead(0, 0, torch.ones(3, dtype=torch.complex64)), "real numbers"),
        (lambda: ScaleNeuron(0, 0, 1, 2, vector="x"), "one of q, k, v"),
        (lambda: PatchHead(0, 0, [TRACE, TRACE]), "one trace"),
        (lambda: MeanHead(0, 0, "abc"), "`reference` of MeanHead"),
        (lambda: AddVector(0, None, [[1], [2]]), "one vector"),
        (lambda: edits.to_json(3), "writes edits; got int"),
        (lambda: edits.to_json([ScaleHead(0, 0, 1), "x"]), "writes edits; got str"),
        (lambda: edits.from_json("{"), "no JSON"),
        (lambda: edits.from_json('[{"type": "Explode"}]'), "no edit of the type 'Explode'"),
        (lambda: edits.from_json('[{"type": "CutEdge", "layer": 0, "head": 0, "query": 1}]'), "needs the field 'key'"),
        (
            lambda: edits.from_json('[{"type": "ScaleHead", "layer": 0, "head": 0, "factor": 1, "x": 1}]'),
            "no field 'x'",
        ),
    ],
)
def test_what_is_no_edit_is_said_in_a_sentence(make, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (ScaleHead(3, 0, 1), "layers 0 to 2"),
        (ScaleHead(1, 0, 1), "no attention"),
        (ScaleHead(0, 4, 1), "heads 0 to 3"),
        (ScaleHead(0, 0, 1, stack="cross"), "names the stack 'cross'"),
        (ScaleNeuron(0, 0, 8, 1), "dimensions 0 to 7"),
        (ScaleNeuron(0, 0, 6, 1, vector="v"), "dimensions 0 to 5"),
        (CutEdge(0, 0, 5, 1), "query 5"),
        (SetAttention(0, 0, 1, 7, 0.5), "key 7"),
        (AddVector(0, 5, [1.0]), "position 5"),
        (MeanHead(0, 0, [1.0, 2.0]), "outputs of 6 numbers"),
        (PatchHead(0, 0, [[1.0, 0.0], [0.5, 0.5]]), "2 × 2"),
        (PatchHead(0, 0, [[1.0, 5.0]]), "no attention"),
    ],
)
def test_an_edit_that_does_not_fit_the_model_is_refused(edit: Edit, says: str) -> None:
    with pytest.raises(InputError, match=says):
        edits.plan([edit], STACKS, lengths={"decoder": (5, 5)})


def test_an_edit_of_several_stacks_has_to_name_one() -> None:
    stacks = {"encoder": STACKS["decoder"], "decoder": STACKS["decoder"]}
    with pytest.raises(InputError, match="names no stack"):
        edits.plan([ScaleHead(0, 0, 1)], stacks)
    assert edits.plan([ScaleHead(0, 0, 1, stack="decoder")], stacks).at("encoder", 0) is None


def test_shared_keys_and_half_a_pair_are_said() -> None:
    turning = {"decoder": [Rotary(pairs=((0, 4), (1, 5)), wavelengths=(6.0, 60.0))] * 3}
    half = edits.plan([ScaleNeuron(0, 3, 1, 2, vector="k")], STACKS, rotary=turning)
    assert [w for w in half.warnings if "0.2 and 0.3" in w]
    assert [w for w in half.warnings if "without dimension 5" in w]
    assert not edits.plan([ScaleNeuron(0, 3, (1, 5), 2)], STACKS, rotary=turning).warnings
