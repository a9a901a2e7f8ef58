"""Models with weights on other devices or in fewer bits: offloaded, in bfloat16, in layers that move their own scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor, nn
from torch.testing._internal.two_tensor import TwoTensor

import attnscope
from attnscope.edits import AddVector, CutEdge, ScaleHead, ScaleNeuron
from attnscope.errors import InputError
from attnscope.model.tracing.provenance import fingerprint

SIZES = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip
IDS = [5, 6, 7, 8, 9, 10]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, smollm2: attnscope.Model) -> Path:
    """A tiny Llama in a folder."""
    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(0)
    tf.LlamaForCausalLM(tf.LlamaConfig(**SIZES)).save_pretrained(folder)
    smollm2.tokenizer.save_pretrained(folder)
    return folder


def test_offloaded_layers_give_the_same_trace(checkpoint: Path, tmp_path: Path) -> None:
    whole = attnscope.load(checkpoint).trace(IDS)
    spread: dict[str, Any] = dict.fromkeys(("model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"), "cpu")
    spread |= {f"model.layers.{i}": "disk" if i % 2 else "cpu" for i in range(4)}
    model = attnscope.load(checkpoint, device_map=spread, offload_folder=tmp_path)
    trace = model.trace(IDS)
    assert any(parameter.is_meta for parameter in model.hf_model.parameters())
    assert trace.certificate.ok and model.check(IDS).ok
    for layer in range(4):
        assert torch.equal(trace.attention(layer, 1), whole.attention(layer, 1))
        assert torch.equal(trace.head_output(layer, 1), whole.head_output(layer, 1))
    assert trace.logits is not None and whole.logits is not None and torch.equal(trace.logits, whole.logits)


def test_edits_apply_to_offloaded_and_bfloat16_layers(checkpoint: Path, tmp_path: Path) -> None:
    edits = [ScaleNeuron(1, 0, (1, 5), 3.0), CutEdge(1, 2, 3, 1), ScaleHead(2, 1, -2.0), AddVector(3, 2, [0.5] * 32)]
    whole = attnscope.load(checkpoint).trace(IDS, edits=edits)
    spread: dict[str, Any] = dict.fromkeys(("model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"), "cpu")
    spread |= {f"model.layers.{i}": "disk" if i % 2 else "cpu" for i in range(4)}
    spread_out = attnscope.load(checkpoint, device_map=spread, offload_folder=tmp_path).trace(IDS, edits=edits)
    assert torch.equal(spread_out.attention(1, 2), whole.attention(1, 2))
    assert whole.logits is not None and spread_out.logits is not None
    assert torch.equal(spread_out.logits, whole.logits)
    half = attnscope.load(checkpoint, dtype="bfloat16", device_map={"": "cpu"})
    edited, plain = half.trace(IDS, edits=edits), half.trace(IDS)
    assert edited.certificate.ok and float(edited.attention(1, 2)[3, 1]) == 0.0
    assert torch.equal(edited.q(1, 0)[:, [1, 5]], (plain.q(1, 0)[:, [1, 5]].bfloat16() * 3).float())
    assert edited.logits is not None
    assert (edited.logits - whole.logits).abs().max() < 0.05 * whole.logits.abs().max()


def test_bfloat16_is_certified_within_its_rounding(checkpoint: Path) -> None:
    model = attnscope.load(checkpoint, dtype="bfloat16", device_map={"": "cpu"})
    trace = model.trace(IDS)
    assert model.dtype == "bfloat16" and trace.layer_record(0).v.dtype == torch.bfloat16
    assert trace.certificate.ok and trace.certificate.tolerance == 0.08
    assert model.check(IDS).ok


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device_map": "nowhere"}, "cannot be loaded with this `device_map`"),
        ({"device_map": "auto", "device": "cpu"}, "Pass only one of them"),
        ({"quantization_config": tf.BitsAndBytesConfig(load_in_8bit=True)}, "bitsandbytes"),
    ],
)
def test_invalid_placements_raise(checkpoint: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        attnscope.load(checkpoint, **options)


class _Scaled(nn.Linear):
    """Like bitsandbytes' 8-bit layers: in the first pass the scale moves from the weight to another object."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__(plain.in_features, plain.out_features, bias=False)
        self.weight = nn.Parameter((plain.weight * 4).round() / 4, requires_grad=False)
        self.weight.scale = torch.tensor(0.5)  # pyright: ignore[reportAttributeAccessIssue]
        self.state = _State()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch names it
        weight: Any = self.weight
        if weight.scale is not None:
            self.state.scale, weight.scale = weight.scale, None
        assert self.state.scale is not None, "the scale went with another copy of this layer"
        return super().forward(input) * self.state.scale


class _State:
    def __init__(self) -> None:
        self.scale: Tensor | None = None


_Scaled.__module__ = "bitsandbytes.nn.modules"


def test_8_bit_layers_keep_their_scales() -> None:
    torch.manual_seed(0)
    hf_model = tf.LlamaForCausalLM(tf.LlamaConfig(**SIZES)).eval()
    for layer in hf_model.model.layers:
        layer.self_attn.o_proj = _Scaled(layer.self_attn.o_proj)
    trace = attnscope.Model(hf_model).trace(IDS)
    assert trace.certificate.ok
    with torch.no_grad():
        logits = hf_model(torch.tensor([IDS])).logits[0]
    assert trace.logits is not None and (trace.logits - logits).abs().max() < 1e-5


def test_the_fingerprint_covers_everything_a_quantized_weight_stores() -> None:
    def stored(scale: float) -> str:
        held = nn.Module()
        held.register_parameter("weight", nn.Parameter(TwoTensor(torch.ones(2, 2), torch.full((2, 2), scale))))
        return fingerprint(held)

    assert stored(0.5) == stored(0.5) != stored(0.25)
