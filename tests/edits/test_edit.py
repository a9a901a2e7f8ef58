"""Edits as values: comparison, and errors for invalid arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attnscope import edits
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
)
from attnscope.errors import InputError
from attnscope.testing.fake_model import FakeModel

pytestmark = pytest.mark.core

TRACE = FakeModel().trace("one two three")
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
    CutEdge(0, 1, "nurse", ("the", 2)),
    SetAttention(0, 1, (4, 5), "doctor", 0.5),
    AddVector(0, ("the", 1), [1, 2]),
]


@pytest.mark.parametrize("dims", [torch.tensor([5, 1]), np.array([1, 5]), range(1, 6, 4), {5, 1}])
def test_dims_may_be_any_collection(dims: Any) -> None:
    assert ScaleNeuron(0, 1, dims, 2) == ScaleNeuron(0, 1, (1, 5), 2)
    assert ScaleNeuron(0, 1, np.int64(5), 2) == ScaleNeuron(0, 1, torch.tensor(5), 2) == ScaleNeuron(0, 1, 5, 2)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.int64(4), 4),
        ("nurse", "nurse"),
        (["the", np.int64(2)], ("the", 2)),
        ([5, 4, 5], (4, 5)),
        (range(4, 6), (4, 5)),
        (slice(4, 6), (4, 5)),
        (torch.tensor([4, 5]), (4, 5)),
        ([4], 4),
    ],
)
def test_a_position_is_kept_as_an_index_a_word_or_a_span(given: Any, kept: Any) -> None:
    edit = CutEdge(0, 1, given, 2)
    assert (edit.query, type(edit.query)) == (kept, type(kept))
    assert eval(repr(edit)) == edit == edits.from_json(edits.to_json([edit]))[0]
    written = list(kept) if isinstance(kept, tuple) else kept
    assert edit.as_json()["query"] == written


@pytest.mark.parametrize(
    "given", [-1, 1.5, True, "", [], ["the", 0], ("", 1), slice(None, 3, -1), slice(2, None), [1, -1], None]
)
def test_what_is_no_position_of_an_edit_is_one_sentence(given: Any) -> None:
    with pytest.raises(InputError, match=r"^`key` of CutEdge must be an index from 0, a word"):
        CutEdge(0, 1, 2, given)


def test_edits_are_equal_only_if_all_fields_are() -> None:
    assert len({*EVERY, ScaleHead(2, 1, 0), ScaleHead(2, 1, 1), ScaleHead(2, 1, 0, stack="decoder")}) == len(EVERY) + 2
    assert ScaleHead(2, 1, 0) != "ScaleHead(2, 1, 0)"


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
        (lambda: edits.from_json("{"), "not valid JSON"),
        (lambda: edits.from_json('[{"type": "Explode"}]'), "type of edit 'Explode'"),
        (lambda: edits.from_json('[{"type": "CutEdge", "layer": 0, "head": 0, "query": 1}]'), "needs the field 'key'"),
        (
            lambda: edits.from_json('[{"type": "ScaleHead", "layer": 0, "head": 0, "factor": 1, "x": 1}]'),
            "no field 'x'",
        ),
    ],
)
def test_invalid_edits_raise_a_clear_error(make, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()
