"""A folder with a PEFT adapter is loaded on the base model that it names."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import peft
import pytest
import torch
import transformers
from helpers import tiny_models

import attnscope
from attnscope.errors import DamagedError, InputError, MissingError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21

TEXT = "a b c d"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """The folder of an adapter, beside that of its base model, which has a tokenizer."""
    base = tmp_path / "base"
    tiny_models.build("llama").save_pretrained(base)
    tiny_models.words_tokenizer().save_pretrained(base)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    tuned = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "o_proj"]))
    for name, parameter in tuned.named_parameters():
        if "lora" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def change(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_an_adapter_is_loaded_on_its_base_model(adapter: Path) -> None:
    base = adapter.parent / "base"
    expected = peft.PeftModel.from_pretrained(transformers.AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    expected.get_base_model().set_attn_implementation("eager")
    model = attnscope.load(adapter)
    trace = model.trace(TEXT)
    with torch.no_grad():
        output = expected(input_ids=model.tokenizer(TEXT, return_tensors="pt")["input_ids"], output_attentions=True)
    torch.testing.assert_close(trace.attention(1, 2), output.attentions[1][0, 2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trace.logits, output.logits[0], atol=1e-4, rtol=1e-3)
    assert float((trace.attention(1, 2) - attnscope.load(base).trace(TEXT).attention(1, 2)).abs().max()) > 1e-3
    assert model.title == "adapter" and not model.hf_model.training
    assert attnscope.load(adapter, dtype="bfloat16").dtype == "bfloat16"


def test_the_base_may_be_given_relative_to_the_adapter_and_the_adapter_may_have_a_tokenizer(adapter: Path) -> None:
    change(adapter, base_model_name_or_path="../base")
    tiny_models.words_tokenizer("other words").save_pretrained(adapter)
    model = attnscope.load(adapter)
    assert "other" in model.tokenizer.get_vocab() and "h" not in model.tokenizer.get_vocab()


def test_prefix_tuning_is_loaded_too(adapter: Path, tmp_path: Path) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(adapter.parent / "base")
    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "prefix")
    assert [token.text for token in attnscope.load(tmp_path / "prefix").trace(TEXT).tokens][:3] == [
        "virtual 0",
        "virtual 1",
        "a",
    ]


def test_what_is_missing_is_named(adapter: Path, monkeypatch) -> None:
    base = adapter.parent / "base"
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "peft", None)
        with pytest.raises(InputError, match=r"PEFT adapter of '.*base'\. .*pip install peft"):
            attnscope.load(adapter)
    change(adapter, base_model_name_or_path=str(adapter.parent / "nowhere"))
    with pytest.raises(
        MissingError, match=r"needs its base model '.*nowhere'.*does not exist.*base_model_name_or_path"
    ):
        attnscope.load(adapter)
    change(adapter, base_model_name_or_path=None)
    with pytest.raises(InputError, match="does not name its base model"):
        attnscope.load(adapter)
    change(adapter, base_model_name_or_path=str(base))
    (adapter / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(DamagedError, match="cannot be added to its base model"):
        attnscope.load(adapter)
    shutil.rmtree(adapter)
    with pytest.raises(MissingError):
        attnscope.load(adapter)
