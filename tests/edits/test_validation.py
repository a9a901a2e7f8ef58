"""Edits checked against a model: its layers, heads, sizes and pairs."""

from __future__ import annotations

import pytest

from attnscope.edits import (
    AddVector,
    CutEdge,
    Edit,
    MeanHead,
    PatchHead,
    ScaleHead,
    ScaleNeuron,
    SetAttention,
)
from attnscope.edits.plan import plan
from attnscope.errors import InputError
from attnscope.types import LayerShape, Rotary, Stack

pytestmark = pytest.mark.core

STACKS = {"decoder": Stack.of([LayerShape(4, 2, 8, 6), None, LayerShape(4, 2, 8, 6)])}


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
        (PatchHead(0, 0, [[1.0, 5.0]]), "does not hold attention weights"),
    ],
)
def test_an_edit_that_does_not_fit_the_model_raises(edit: Edit, says: str) -> None:
    with pytest.raises(InputError, match=says):
        plan([edit], STACKS, lengths={"decoder": (5, 5)})


def test_an_edit_must_name_a_stack_if_there_are_several() -> None:
    stacks = {"encoder": STACKS["decoder"], "decoder": STACKS["decoder"]}
    with pytest.raises(InputError, match="names no stack"):
        plan([ScaleHead(0, 0, 1)], stacks)
    assert plan([ScaleHead(0, 0, 1, stack="decoder")], stacks).at("encoder", 0) is None


def test_warnings_for_shared_keys_and_half_a_rotary_pair() -> None:
    turning = {"decoder": [Rotary(pairs=((0, 4), (1, 5)), wavelengths=(6.0, 60.0))] * 3}
    half = plan([ScaleNeuron(0, 3, 1, 2, vector="k")], STACKS, rotary=turning)
    assert [w for w in half.warnings if "0.2 and 0.3" in w]
    assert [w for w in half.warnings if "without dimension 5" in w]
    assert not plan([ScaleNeuron(0, 3, (1, 5), 2)], STACKS, rotary=turning).warnings
