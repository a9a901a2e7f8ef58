"""Gated attention: a head's output is multiplied by a gate, and everything computed from it includes the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import transformers as tf
from helpers.tiny_models import ids

import attnscope
from attnscope import analysis
from attnscope.attention import QKRecord
from attnscope.edits import ScaleHead
from attnscope.errors import UnsupportedError

pytestmark = pytest.mark.core

_SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "head_dim": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention", "full_attention"],
}
_EXPERTS = {
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
}

MODELS = {
    "qwen3_next": lambda: tf.Qwen3NextForCausalLM(tf.Qwen3NextConfig(**_SMALL, **_LINEAR, **_EXPERTS)),
    "qwen3_5": lambda: tf.Qwen3_5ForCausalLM(tf.Qwen3_5TextConfig(**_SMALL, **_LINEAR)),
}
LAYER, INPUT = 1, ids(9)


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> attnscope.Model:
    torch.manual_seed(0)
    made = MODELS[request.param]().eval()
    with torch.no_grad():  # different gates
        for layer in made.model.layers[1:]:
            layer.self_attn.q_proj.weight.mul_(20)
    return attnscope.Model(made)


def projection(model: attnscope.Model) -> Any:
    hf_model: Any = model.hf_model
    return hf_model.model.layers[LAYER].self_attn.o_proj


def read_by(model: attnscope.Model, given: list[int]) -> torch.Tensor:
    """The input of W_O in a plain pass, [token, head, head_dim]."""
    seen: list[torch.Tensor] = []
    handle = projection(model).register_forward_pre_hook(lambda _module, args: seen.append(args[0][0]))
    with torch.no_grad():
        model.hf_model(torch.tensor([given]))
    handle.remove()
    return seen[0].unflatten(-1, (4, 16))


def test_head_outputs_include_the_gate(model: attnscope.Model) -> None:
    trace, read = model.trace(INPUT), read_by(model, INPUT)
    weight = projection(model).weight.unflatten(-1, (4, 16))
    for head in range(4):
        own = trace.attention(LAYER, head) @ trace.v(LAYER, head)
        assert (own - read[:, head]).abs().max() > 0.01  # it is gated
        assert (trace.head_output(LAYER, head) - read[:, head] @ weight[:, head].T).abs().max() < 1e-6


def test_files_store_the_gate(model: attnscope.Model, tmp_path: Path) -> None:
    trace = model.trace(INPUT)
    trace.save(tmp_path / "gated.trace", weights=True)
    again = attnscope.open(tmp_path / "gated.trace")
    assert again.id == trace.id
    assert torch.allclose(again.head_output(LAYER, 2), trace.head_output(LAYER, 2), atol=1e-6)


def test_edge_outputs_include_the_gate_of_the_query(model: attnscope.Model) -> None:
    trace, read = model.trace(INPUT), read_by(model, INPUT)
    weights, v = trace.attention(LAYER, 1), trace.v(LAYER, 1)
    gate = read[:, 1] / (weights @ v)
    matrix = projection(model).weight.unflatten(-1, (4, 16))[:, 1].T
    expected = torch.stack([weights[i] * ((v * gate[i]) @ matrix).norm(dim=-1) for i in range(len(INPUT))])
    assert (analysis.value_weighted(trace, LAYER, 1) - expected).abs().max() < 1e-5


def test_shares_of_a_logit_name_the_heads(model: attnscope.Model) -> None:
    found = model.states(INPUT, answer=7).contributions
    assert found is not None
    assert {(one.layer, one.head) for one in found.of("head")} == {
        (layer, head) for layer in (1, 2) for head in range(4)
    }
    assert abs(found.remainder) < 1e-5


@pytest.mark.parametrize("what", ["output", "attention"])
def test_heads_are_patched_as_with_hooks(model: attnscope.Model, what: str) -> None:
    clean, corrupted, head = INPUT, [*INPUT[:3], 50, *INPUT[4:]], 2
    found = model.patch(clean, corrupted, what=what, answer=7, metric="logit").frame()
    first, second = read_by(model, clean), read_by(model, corrupted)
    own = first[:, head]
    if what == "attention":
        traces = model.trace(clean), model.trace(corrupted)
        v = traces[1].v(LAYER, head)
        gate = second[:, head] / (traces[1].attention(LAYER, head) @ v)
        own = (traces[0].attention(LAYER, head) @ v) * gate

    def patched(_module: Any, args: Any) -> Any:
        changed = args[0].clone().unflatten(-1, (4, 16))
        changed[0, :, head] = own
        return (changed.flatten(-2),)

    handle = projection(model).register_forward_pre_hook(patched)
    with torch.no_grad():
        logit = model.hf_model(torch.tensor([corrupted])).logits[0, -1, 7]
    handle.remove()
    value = found[(found["layer"] == LAYER) & (found["head"] == head)]["value"].item()
    assert value == pytest.approx(float(logit), abs=1e-5)


def test_scaled_heads_are_baked_into_the_projection(model: attnscope.Model) -> None:
    edits = [ScaleHead(LAYER, 3, 0.25)]
    with torch.no_grad():
        baked = model.bake(edits)(torch.tensor([INPUT])).logits
        with model.edited(edits):
            live = model.hf_model(torch.tensor([INPUT])).logits
    assert (baked - live).abs().max() < 1e-5


def test_value_vectors_note_the_gate(model: attnscope.Model) -> None:
    trace = model.trace(INPUT)
    record, module = trace.layer_record(LAYER), trace.traced_stack().projections[LAYER]
    with pytest.raises(UnsupportedError, match="gate"):
        analysis.value_norms(record, module)
    norms = analysis.output_norms(record, module)
    assert torch.allclose(norms[2], trace.head_output(LAYER, 2).norm(dim=-1), atol=1e-6)


def test_a_norm_after_attention_is_not_a_gate() -> None:
    torch.manual_seed(0)
    config = tf.BitNetConfig(**{**_SMALL, "head_dim": 8, "num_hidden_layers": 2})
    model = attnscope.Model(tf.BitNetForCausalLM(config).eval())
    with pytest.raises(UnsupportedError, match="no output projection"):
        model.trace(INPUT).head_output(1, 0)


def test_generation_steps_have_gates(model: attnscope.Model) -> None:
    steps = model.generate(INPUT, 4).trace
    whole = model.trace([token.id for token in steps.tokens])
    for head in range(4):
        difference = steps.head_output(LAYER, head) - whole.head_output(LAYER, head)
        assert len(difference) == len(INPUT) + 4 and difference.abs().max() < 1e-5


def test_a_file_without_gates_has_no_head_outputs(model: attnscope.Model, tmp_path: Path) -> None:
    trace = model.trace(INPUT)
    traced = trace.traced_stack()
    traced.records[LAYER] = replace(cast("QKRecord", traced.records[LAYER]), gate=None)
    trace.save(tmp_path / "without.trace")
    with pytest.raises(UnsupportedError, match="no output projection"):
        attnscope.open(tmp_path / "without.trace", model=model).head_output(LAYER, 0)
