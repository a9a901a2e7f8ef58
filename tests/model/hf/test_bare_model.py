"""A model without its adapters computes what PEFT computes with them disabled, and the user's model is not touched."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from helpers import tiny_models
from helpers.session_requests import ask

import attnscope
from attnscope.errors import InputError, UnsupportedError
from attnscope.session import ModelEntry, Session

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21

TEXT = "a b c d"
LORA = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "o_proj"]}


def tuned(config: Any) -> attnscope.Model:
    """A tiny model with an adapter that changes what it computes."""
    torch.manual_seed(0)
    model = peft.get_peft_model(tiny_models.build("llama"), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    return attnscope.Model(model.eval(), tiny_models.words_tokenizer(), name="tuned")


@pytest.mark.parametrize(
    "config",
    [
        peft.LoraConfig(**LORA),
        peft.LoraConfig(**LORA, modules_to_save=["lm_head"], use_dora=True),
        peft.IA3Config(
            task_type="CAUSAL_LM", target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
        ),
        peft.LoHaConfig(task_type="CAUSAL_LM", target_modules=["v_proj"]),
        peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2),
    ],
    ids=["lora", "dora", "ia3", "loha", "prefix"],
)
def test_without_its_adapter_a_model_is_its_base(config: Any) -> None:
    model = tuned(config)
    wrapper = model.hf_model
    before = {name: (id(one), one.requires_grad) for name, one in wrapper.named_parameters()}
    with_adapter = model.trace(TEXT)
    off = model.without_adapter()
    assert (off.name, off.title, off.adapter, model.adapter) == (
        "tuned (adapter off)",
        "tuned (adapter off)",
        False,
        True,
    )
    trace = off.trace(TEXT)
    with wrapper.disable_adapter(), torch.no_grad():
        expected = wrapper(input_ids=trace.inputs["input_ids"]).logits[0]
    torch.testing.assert_close(trace.logits, expected, atol=1e-5, rtol=1e-4)
    base = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())
    torch.testing.assert_close(trace.logits, base.trace(TEXT).logits, atol=1e-5, rtol=1e-4)
    assert trace.provenance["weights"] == base.trace(TEXT).provenance["weights"]
    assert {name: (id(one), one.requires_grad) for name, one in wrapper.named_parameters()} == before
    torch.testing.assert_close(model.trace(TEXT).logits, with_adapter.logits, atol=0, rtol=0, equal_nan=True)
    shared = {id(one) for one in wrapper.parameters()}
    assert all(id(one) in shared for one in off.hf_model.parameters())


def test_a_base_that_the_adapter_changed_is_unknown() -> None:
    with pytest.raises(InputError, match="has no adapter"):
        attnscope.Model(tiny_models.build("llama")).without_adapter()
    with pytest.raises(UnsupportedError, match="changes biases of the base model"):
        tuned(peft.LoraConfig(**LORA, bias="all")).without_adapter()
    with pytest.raises(UnsupportedError, match="'pissa', which changes weights of the base"):
        tuned(peft.LoraConfig(**LORA, init_lora_weights="pissa")).without_adapter()
    merged = tuned(peft.LoraConfig(**LORA))
    merged.hf_model.merge_adapter()
    with pytest.raises(UnsupportedError, match=r"Call `hf_model\.unmerge_adapter"):
        merged.without_adapter()


def test_a_session_offers_a_loaded_model_also_without_its_adapter() -> None:
    model = tuned(peft.LoraConfig(**LORA))
    session = Session([ModelEntry("tuned", "tuned", "decoder", lambda: model)])

    def offered() -> list[str]:
        return [one["name"] for one in ask(session, type="hello")[-1].body["models"]]

    assert offered() == ["tuned"]
    on = ask(session, type="run", text=TEXT)[-1].body
    assert offered() == ["tuned", "tuned (adapter off)"]
    off = ask(session, type="run", text=TEXT, model="tuned (adapter off)")[-1].body
    assert off["model"]["name"] == "tuned (adapter off)"
    found = ask(session, type="effect", trace=on["trace"], baseline=off["trace"])[-1].body
    first, second = (one.trace(TEXT).logits[-1].double().softmax(-1) for one in (model.without_adapter(), model))
    assert found["moved"] == pytest.approx(float((second - first).abs().sum() / 2), abs=1e-6)
