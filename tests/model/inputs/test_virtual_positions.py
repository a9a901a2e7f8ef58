"""Virtual tokens of PEFT's prefix and prompt tuning are positions of their own, before those of the text."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import edits
from attnscope.errors import UnsupportedError

pytestmark = [  # of peft 0.21: it reads an attribute that transformers 5.23 has renamed, and sets what GPT-2 needs
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*fan_in_fan_out is set to False:UserWarning"),
]

IDS = tiny_models.ids(8)
VIRTUAL = 3
PREFIX, PROMPT, ENCODER = peft.PrefixTuningConfig, peft.PromptTuningConfig, peft.PromptEncoderConfig


def tuned(family: str, kind: Any, task: str = "CAUSAL_LM") -> Any:
    """A tiny model with virtual tokens that change what it computes."""
    torch.manual_seed(1)
    model = peft.get_peft_model(tiny_models.build(family), kind(task_type=task, num_virtual_tokens=VIRTUAL)).eval()
    for parameter in model.prompt_encoder.parameters():
        torch.nn.init.normal_(parameter)
    return model


def eager(model: Any) -> Any:
    """PEFT's own eager pass over the text."""
    model.get_base_model().set_attn_implementation("eager")
    with torch.no_grad():
        output = model(input_ids=torch.tensor([IDS]), attention_mask=torch.ones(1, len(IDS)), output_attentions=True)
    model.get_base_model().set_attn_implementation("sdpa")
    return output


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
@pytest.mark.parametrize("kind", [PREFIX, PROMPT, ENCODER], ids=["prefix", "prompt", "p-tuning"])
def test_virtual_tokens_are_positions_before_the_text(family: str, kind: Any) -> None:
    model = tuned(family, kind)
    expected, trace = eager(model), attnscope.Model(model).trace(IDS)
    names = [f"virtual {i}" for i in range(VIRTUAL)]
    assert [token.text for token in trace.tokens] == [*names, *map(str, IDS)]
    assert [token.id for token in trace.tokens] == [-1] * VIRTUAL + IDS
    assert list(trace.stacks) == ["decoder"] and trace.certificate.ok
    rows = slice(VIRTUAL, None) if kind is PREFIX else slice(None)
    for layer, weights in enumerate(expected.attentions):
        for head in range(4):
            found = trace.attention(layer, head)
            torch.testing.assert_close(found[rows], weights[0, head], atol=1e-5, rtol=1e-4)
            assert kind is not PREFIX or not found[:VIRTUAL].any()
    assert trace.logits is not None and trace.next_tokens is not None
    torch.testing.assert_close(trace.logits[rows], expected.logits[0], atol=1e-4, rtol=1e-3)
    assert len(trace.logits) == VIRTUAL + len(IDS)
    best = torch.softmax(expected.logits[0, -1], -1).topk(5)
    assert [ident for _, ident, _ in trace.next_tokens] == best.indices.tolist()
    full = attnscope.Model(model).check(IDS)
    assert full.ok and all(one.eager_weights is not None for one in full.stacks["decoder"])


@pytest.mark.parametrize("kind", [PREFIX, PROMPT], ids=["prefix", "prompt"])
def test_an_encoder_with_virtual_tokens_is_traced(kind: Any) -> None:
    model = tuned("bert", kind, "TOKEN_CLS" if kind is PROMPT else "FEATURE_EXTRACTION")
    expected, trace = eager(model), attnscope.Model(model).trace(IDS)
    rows = slice(VIRTUAL, None) if kind is PREFIX else slice(None)
    torch.testing.assert_close(trace.attention(1, 2)[rows], expected.attentions[1][0, 2], atol=1e-5, rtol=1e-4)
    assert list(trace.stacks) == ["encoder"]


def test_measures_of_prefix_tuning_count_only_the_rows_of_the_text() -> None:
    trace = attnscope.Model(tuned("llama", PREFIX)).trace(IDS)
    found = attnscope.analysis.heads(trace).set_index(["layer", "head"])
    for layer, head in ((0, 0), (2, 3)):
        weights = trace.attention(layer, head)[VIRTUAL:].double()
        entropy = -(weights * weights.clamp(min=1e-300).log()).sum(-1).mean()
        assert found.loc[(layer, head), "entropy"] == pytest.approx(float(entropy), rel=1e-4)
        assert found.loc[(layer, head), "first_token"] == pytest.approx(float(weights[:, 0].mean()), rel=1e-4)


def test_edits_work_on_prompt_tuning_and_other_analyses_are_refused() -> None:
    model = attnscope.Model(tuned("llama", PROMPT))
    cut = model.trace(IDS, edits=[edits.CutEdge(1, 1, query=8, key=0)])
    assert float(cut.attention(1, 1)[8, 0]) == 0 and float(cut.attention(1, 1)[8].sum()) == pytest.approx(1)
    for refused in (
        lambda: model.generate(IDS),
        lambda: model.states(IDS),
        lambda: attnscope.Model(tuned("llama", PREFIX)).trace(IDS, edits=[edits.ScaleHead(0, 0, 0)]),
    ):
        with pytest.raises(UnsupportedError, match=r"virtual tokens|prefix tuning"):
            refused()
    t5 = peft.get_peft_model(tiny_models.build("t5"), PROMPT(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=VIRTUAL))
    with pytest.raises(UnsupportedError, match=r"virtual tokens .* encoder-decoder model.*get_base_model"):
        attnscope.Model(t5).trace(IDS)


def test_a_trace_with_virtual_tokens_can_be_saved_and_drawn(tmp_path) -> None:
    trace = attnscope.Model(tuned("llama", PREFIX)).trace(IDS)
    trace.save(tmp_path / "tuned.trace")
    opened = attnscope.open(tmp_path / "tuned.trace")
    assert torch.equal(opened.attention(1, 1), trace.attention(1, 1)) and opened.tokens == trace.tokens
    attnscope.export(trace, tmp_path / "tuned.html")
    attnscope.figure(trace, "head", layer=1, heads=[1]).savefig(tmp_path / "tuned.svg")


@pytest.mark.parametrize("kind", [peft.LoraConfig, peft.IA3Config])
@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_model_with_an_adapter_works_like_the_model_itself(family: str, kind: Any) -> None:
    torch.manual_seed(0)
    task = "CAUSAL_LM" if family == "llama" else "SEQ_2_SEQ_LM"
    wrapped = peft.get_peft_model(tiny_models.build(family), kind(task_type=task)).eval()
    for name, parameter in wrapped.named_parameters():
        if "lora" in name or "ia3" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model = attnscope.Model(wrapped)
    stack = "decoder"
    trace = model.trace(IDS) if family == "llama" else model.trace(IDS, target=[0, 5, 6])
    inputs = {"input_ids": torch.tensor([IDS])}
    if family == "t5":
        inputs["decoder_input_ids"] = torch.tensor([[0, 5, 6]])
    with torch.no_grad():
        expected = wrapped(**inputs)
        wrapped.get_base_model().set_attn_implementation("eager")
        eager_output = wrapped(**inputs, output_attentions=True)
        wrapped.get_base_model().set_attn_implementation("sdpa")
        plain = tiny_models.build(family)(**inputs)
    weights = eager_output.attentions if family == "llama" else eager_output.decoder_attentions
    torch.testing.assert_close(trace.attention(1, 1, stack), weights[1][0, 1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=1e-4, rtol=1e-3)
    assert float((expected.logits - plain.logits).abs().max()) > 1e-3
    own = wrapped.generate(input_ids=inputs["input_ids"], max_new_tokens=4, do_sample=False, num_beams=1)
    made = model.generate(IDS, max_new_tokens=4)
    assert [step.token.id for step in made.steps] == own[0].tolist()[-len(made.steps) :]
    with model.edited([edits.ScaleHead(1, 1, 0, stack=stack)]), torch.no_grad():
        edited = wrapped(**inputs).logits[0]
    options = {} if family == "llama" else {"target": [0, 5, 6]}
    again = model.trace(IDS, edits=[edits.ScaleHead(1, 1, 0, stack=stack)], **options)
    torch.testing.assert_close(edited, again.logits, atol=1e-4, rtol=1e-3)
    with pytest.raises(UnsupportedError, match="merge_and_unload"):
        model.bake([edits.ScaleHead(1, 1, 0, stack=stack)])
