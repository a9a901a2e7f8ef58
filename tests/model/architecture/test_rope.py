"""The measured rotation of q and k equals the formula in the config."""

from __future__ import annotations

import cmath
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.model.architecture import rope as looking
from attnscope.types import Rotary

pytestmark = pytest.mark.core

_YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 64}
_DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
_BUILT = {
    "glm": lambda: tf.GlmConfig(**tiny_models._GROUPED, head_dim=16),
    "phi": lambda: tf.PhiConfig(**tiny_models._COMMON),
    "smollm3": lambda: tf.SmolLM3Config(**{**tiny_models._GROUPED, "num_hidden_layers": 4}),
    "linear": lambda: tf.LlamaConfig(
        **tiny_models._GROUPED, rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
    ),
    "yarn": lambda: tf.LlamaConfig(**tiny_models._GROUPED, max_position_embeddings=256, rope_parameters=_YARN),
    "dynamic": lambda: tf.LlamaConfig(**tiny_models._GROUPED, max_position_embeddings=32, rope_parameters=_DYNAMIC),
}


def model(name: str) -> attnscope.Model:
    if name not in _BUILT:
        return attnscope.Model(tiny_models.build(name))
    torch.manual_seed(0)
    return attnscope.Model(tf.AutoModelForCausalLM.from_config(_BUILT[name]()).eval())


def turns(base: float, dims: int, factor: float = 1.0) -> list[float]:
    """2π · base^(2i/dims) · factor: the wavelengths of RoPE (Su et al. 2021)."""
    return [2 * math.pi * factor * base ** (2 * i / dims) for i in range(dims // 2)]


def halves(dims: int, start: int = 0) -> list[tuple[int, int]]:
    return [(start + i, start + i + dims // 2) for i in range(dims // 2)]


def beside(dims: int) -> list[tuple[int, int]]:
    return [(2 * i, 2 * i + 1) for i in range(dims // 2)]


FOUND: list[tuple[str, int, list[tuple[int, int]], list[float]]] = [
    ("llama", 0, halves(8), turns(1e4, 8)),
    ("qwen3", 2, halves(16), turns(1e4, 16)),
    ("gemma3", 0, halves(16), turns(1e4, 16)),
    ("gemma3", 5, halves(16), turns(1e6, 16)),
    ("gpt_oss", 1, halves(16), []),
    ("gpt_neox", 1, halves(2), turns(1e4, 2)),
    ("phi", 1, halves(4), turns(1e4, 4)),
    ("glm", 1, beside(8), turns(1e4, 8)),
    ("deepseek_v3", 1, halves(8, start=8), turns(1e4, 8)),
    ("modernbert", 0, halves(8), turns(160000.0, 8)),
    ("modernbert", 1, halves(8), turns(1e4, 8)),
    ("linear", 0, halves(8), turns(1e4, 8, factor=4.0)),
    ("yarn", 0, halves(8), []),
]


@pytest.mark.parametrize("kept", ["its own angles", "measured"])
@pytest.mark.parametrize("family", sorted({name for name, *_ in FOUND}))
def test_pairs_and_wavelengths_are_those_of_the_config(family: str, kept: str, monkeypatch: pytest.MonkeyPatch):
    if kept == "measured":
        monkeypatch.setattr(looking, "buffered_angles", lambda _: ())
    trace = model(family).trace(tiny_models.ids())
    for _, layer, pairs, wavelengths in (one for one in FOUND if one[0] == family):
        found = trace.rotary(layer)
        assert found is not None
        assert list(found.pairs) == pairs
        if wavelengths:
            assert found.wavelengths == pytest.approx(wavelengths, rel=1e-5 if kept != "measured" else 2e-3)
        assert min(found.wavelengths) == pytest.approx(2 * math.pi * (4 if family == "linear" else 1), rel=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "bert", "albert", "opt"])
def test_models_without_rotary_embeddings_have_no_rotation(family: str):
    trace = model(family).trace(tiny_models.ids())
    assert all(trace.rotary(layer) is None for layer in range(3))


def test_layers_without_rotary_embeddings_are_recognized():
    trace = model("smollm3").trace(tiny_models.ids())
    assert [trace.rotary(layer) is None for layer in range(4)] == [False, False, False, True]


def test_rotations_are_found_in_half_precision_with_buffered_angles():
    whole, half = tiny_models.build("llama"), tiny_models.build("llama").to(torch.bfloat16)
    first, second = (attnscope.Model(one).trace(tiny_models.ids()).rotary(1) for one in (whole, half))
    assert first is not None and second is not None
    assert first.pairs == second.pairs
    assert second.wavelengths == pytest.approx(first.wavelengths, rel=1e-2)  # the angles have half precision too


def test_no_rotation_is_reported_if_a_long_text_changes_the_angles():
    dynamic = model("dynamic")
    assert dynamic.trace(tiny_models.ids()).rotary(0) is not None
    assert dynamic.trace(tiny_models.ids(60)).rotary(0) is None


def test_the_rotation_reproduces_the_queries_of_a_real_model(smollm2: attnscope.Model):
    # The same words at other positions: pair by pair, q of layer 0 is the same vector rotated by the distance.
    trace = smollm2.trace("one two three one two three one two three one two three")
    found = trace.rotary(0)
    assert found is not None
    assert found.wavelengths == pytest.approx(
        turns(smollm2.hf_model.config.rope_parameters["rope_theta"], 64), rel=1e-4
    )
    ids = [token.id for token in trace.tokens]
    first = ids.index(ids[-1])
    q = trace.q(0, 3).double()
    for (a, b), wavelength in zip(found.pairs, found.wavelengths, strict=True):
        turn = cmath.exp(2j * math.pi * (len(ids) - 1 - first) / wavelength)
        turned = torch.complex(q[first, a], q[first, b]) * turn
        assert torch.isclose(turned, torch.complex(q[-1, a], q[-1, b]), atol=1e-3)


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_files_store_the_rotation_and_old_files_still_open(family: str, tmp_path: Path):
    trace = model(family).trace(tiny_models.ids())
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    layers = range(trace.stacks["decoder"].layers)
    assert [opened.rotary(layer) for layer in layers] == [trace.rotary(layer) for layer in layers]
    assert opened.provenance["rotary"] == trace.provenance["rotary"]
    assert isinstance(
        opened.provenance["rotary"]["decoder"], {"llama": dict, "gemma3": list, "gpt2": type(None)}[family]
    )
    _without_rotary(tmp_path / "a.trace")
    assert attnscope.open(tmp_path / "a.trace").rotary(0) is None


def _without_rotary(path: Path) -> None:
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        described: dict[str, Any] = json.loads(file.metadata()["attnscope"])
    del described["provenance"]["rotary"]
    described.pop("checksum", None)  # old files have none
    save_file(tensors, path, metadata={"attnscope": json.dumps(described)})


def test_a_rotation_is_a_value():
    assert Rotary(((0, 1),), (6.3,)) == Rotary(((0, 1),), (6.3,))
