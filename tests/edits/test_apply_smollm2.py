"""Every kind of edit on SmolLM2, compared with a reference eager attention and with hooks in plain transformers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from helpers.eager_reference import Change, change_at, edited_copy, run_with_change, unchanged
from torch import Tensor

import attnscope
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

TEXT, OTHER = "Mary and John went home, then John gave Mary", "Anna met Paul at noon, so Paul told Anna"
LAYER, HEAD, GROUP = 12, 4, 3
PATH = f"model.layers.{LAYER}.self_attn"


class Pair:
    """SmolLM2 and a copy with the reference attention, on two texts with the same number of tokens."""

    def __init__(self, model: attnscope.Model) -> None:
        self.model, self.twin = model, edited_copy(model.hf_model)
        self.trace = model.trace(TEXT)
        self.kept: dict[str, Tensor] = {}
        self.other: Tensor = model.tokenizer(OTHER, return_tensors="pt").input_ids
        self.run(self._keep, self.other)
        self.source = model.trace(OTHER)
        self.plain = self.run(unchanged)

    def run(self, change: Change, ids: Tensor | None = None) -> Tensor:
        given = self.trace.inputs["input_ids"] if ids is None else ids
        return run_with_change(self.twin, change, lambda: self.twin(input_ids=given, use_cache=False))[0].logits[0]

    def _keep(self, what: str, path: str, tensor: Tensor) -> Tensor:
        if path == PATH and what in ("weights", "output"):
            self.kept[what] = tensor
        return tensor


@pytest.fixture(scope="module")
def pair(smollm2: attnscope.Model) -> Pair:
    return Pair(smollm2)


def _in_place(work: Callable[[Tensor], Any], what: str) -> Change:
    def change(tensor: Tensor) -> None:
        work(tensor)

    return change_at(what, PATH, change)


def _set(weights: Tensor) -> None:
    row = weights[0, HEAD, 8]
    row *= 0.3 / (1 - row[2])
    row[2] = 0.7


def _dims(head: int) -> Callable[[Tensor], None]:
    def change(tensor: Tensor) -> None:
        tensor[:, head, :, [3, 35]] *= 4.0

    return change


def cases(pair: Pair) -> list[tuple[Edit, Change]]:
    weights, outputs = pair.kept["weights"][0, HEAD], pair.kept["output"][0, :, HEAD]
    head = (LAYER, HEAD)
    return [
        (ScaleHead(*head, -3.0), _in_place(lambda t: t[:, :, HEAD].mul_(-3.0), "output")),
        (MeanHead(*head, pair.source), _in_place(lambda t: t[:, :, HEAD].copy_(outputs.mean(0)), "output")),
        (SetAttention(*head, 8, 2, 0.7), _in_place(_set, "weights")),
        (CutEdge(*head, 8, 0), _in_place(lambda t: t[0, HEAD, 8, 0].fill_(-torch.inf), "scores")),
        (ScaleNeuron(*head, (3, 35), 4.0, "q"), _in_place(_dims(HEAD), "q")),
        (ScaleNeuron(*head, (3, 35), 4.0, "k"), _in_place(_dims(HEAD // GROUP), "k")),
        (ScaleNeuron(*head, (3, 35), 4.0, "v"), _in_place(_dims(HEAD // GROUP), "v")),
        (PatchHead(*head, pair.source), _in_place(lambda t: t[0, HEAD].copy_(weights), "weights")),
        (PatchHead(*head, pair.source, "output"), _in_place(lambda t: t[0, :, HEAD].copy_(outputs), "output")),
    ]


def _off(one: Tensor | None, other: Tensor) -> float:
    assert one is not None
    return float((one - other).abs().max() / other.abs().max())


def test_every_kind_of_edit_equals_the_same_change_in_the_reference_attention(pair: Pair) -> None:
    for edit, change in cases(pair):
        wanted = pair.run(change)
        edited = pair.model.trace(TEXT, edits=[edit])
        assert _off(pair.plain, wanted) > 3e-5, f"{edit} changes nothing"
        assert _off(edited.logits, wanted) < 1e-5, edit
        assert edited.certificate.ok


def test_a_resampled_head_has_outputs_of_the_reference(pair: Pair) -> None:
    edited = pair.model.trace(TEXT, edits=[ResampleHead(LAYER, HEAD, pair.source, seed=3)])
    record = edited.layer_record(LAYER)
    drawn = record.output(torch.tensor([HEAD]), torch.arange(record.queries))[0]
    distances = torch.cdist(drawn, pair.kept["output"][0, :, HEAD])
    assert float(distances.amin(1).max()) < 1e-4
    chosen = pair.kept["output"][0, distances.argmin(1), HEAD]
    wanted = pair.run(_in_place(lambda t: t[:, :, HEAD].copy_(chosen), "output"))
    assert _off(edited.logits, wanted) < 1e-5


@pytest.mark.parametrize("side", ["input", "output"])
def test_add_vector_equals_a_hook_on_the_block(pair: Pair, side: Any) -> None:
    vector, block = torch.linspace(-2, 2, 576), pair.twin.model.layers[LAYER]

    def added(states: Tensor) -> Tensor:
        return states + torch.nn.functional.one_hot(torch.tensor(5), states.shape[1])[:, None] * vector

    with ExitStack() as stack:
        if side == "input":
            handle = block.register_forward_pre_hook(lambda _m, args: (added(args[0]), *args[1:]))
        else:
            handle = block.register_forward_hook(lambda _m, _a, output: added(output))
        stack.callback(handle.remove)
        wanted = pair.run(unchanged)
    edited = pair.model.trace(TEXT, edits=[AddVector(LAYER, 5, vector, at=side)])
    assert _off(pair.plain, wanted) > 1e-4
    assert _off(edited.logits, wanted) < 1e-5


@pytest.mark.parametrize("what", ["attention", "output"])
def test_patching_a_text_with_itself_leaves_everything_bit_identical(pair: Pair, what: Any) -> None:
    edits: list[Edit] = [PatchHead(layer, HEAD, pair.trace, what) for layer in (0, LAYER, 29)]
    patched = pair.model.trace(TEXT, edits=edits)
    assert patched.logits is not None and pair.trace.logits is not None
    assert torch.equal(patched.logits, pair.trace.logits)
