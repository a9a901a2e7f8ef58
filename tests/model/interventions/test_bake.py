"""Baked edits give the same result as live edits, or raise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_models import build, ids
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

import attnscope
from attnscope.edits import CutEdge, Edit, ScaleHead, ScaleNeuron
from attnscope.errors import UnsupportedError
from attnscope.model.interventions import bake

INPUT = torch.tensor([ids(7)])


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(build("llama"))


def logits_of(model: Any, inputs: Tensor = INPUT) -> Tensor:
    with torch.no_grad():
        return model(input_ids=inputs).logits


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama", "gpt_neox", "gpt_oss", "opt"])
def test_baked_weights_loaded_by_plain_transformers_give_the_live_edits(family: str, tmp_path: Path) -> None:
    model = attnscope.Model(build(family))
    pair = {"gpt_neox": (0, 1), "gpt_oss": (1, 9)}.get(family, (1, 5))
    edits = [
        ScaleHead(1, 2, -0.5),
        ScaleNeuron(0, 1, pair, 3.0, "q"),
        ScaleNeuron(2, 3, pair, -2.0, "k"),
        ScaleNeuron(2, 3, 4, 2.0, "v"),
    ]
    model.bake(edits).save_pretrained(tmp_path)
    kind = AutoModelForMaskedLM if family == "bert" else AutoModelForCausalLM
    again = kind.from_pretrained(tmp_path).eval()
    wanted, plain = (model.trace(ids(9), edits=chosen).logits for chosen in (edits, []))
    assert wanted is not None
    assert plain is not None
    found = logits_of(again, torch.tensor([ids(9)]))[0]
    assert (found - wanted).abs().max() < 1e-5
    assert (wanted - plain).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("family", "edit", "says"),
    [
        ("llama", CutEdge(0, 1, 3, 2), "CutEdge of head 0.1"),
        ("llama", ScaleNeuron(0, 1, 1, 2.0), "rotate together"),
        ("qwen3", ScaleNeuron(0, 1, (1, 9), 2.0), "no plain linear map"),
        ("albert", ScaleHead(0, 1, 0), "one module runs for 3 layers"),
    ],
)
def test_edits_that_do_not_change_weights_are_not_baked(family: str, edit: Edit, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        attnscope.Model(build(family)).bake([edit])


def test_an_edit_with_a_tiny_effect_is_baked_and_wrong_weights_raise(
    smollm2: attnscope.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = ScaleNeuron(20, 4, (10, 42), 1.5)
    names = [f"model.layers.20.self_attn.{one}_proj.weight" for one in "qkvo"]
    baked, own = smollm2.bake([edit]).state_dict(), smollm2.hf_model.state_dict()
    rows = torch.tensor([4 * 64 + 10, 4 * 64 + 42])
    changed = own[names[0]].clone()
    changed[rows] *= 1.5
    assert torch.equal(baked[names[0]], changed)
    assert all(torch.equal(baked[name], own[name]) for name in own if name != names[0])
    right = bake._find_rows
    monkeypatch.setattr(bake, "_find_rows", lambda *args: (right(*args)[0], right(*args)[1] + 1))
    with pytest.raises(UnsupportedError, match="do not give the result of the edits"):
        smollm2.bake([edit])
