"""Answers of several tokens: patched sweeps against full passes on prompt and answer, with hooks on plain transformers."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import tiny_models
from helpers.patched_passes import reference_attention
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core

CLEAN = tiny_models.ids(8)
CORRUPTED = [*CLEAN[:3], 20, 21, *CLEAN[5:]]
ANSWER, FOIL = [5, 9, 11], [5, 7]
W_O = {"gpt2": "transformer.h.{}.attn.c_proj", "llama": "model.layers.{}.self_attn.o_proj"}


def log_probability(hf_model: nn.Module, prompt: list[int], answer: list[int], **more: torch.Tensor) -> float:
    """Σ ln p(token | before), one full pass for each token."""
    total = 0.0
    for count, token in enumerate(answer):
        with torch.no_grad():
            logits = hf_model(torch.tensor([prompt + answer[:count]]), **more).logits[0, -1].double()
        total += float(torch.log_softmax(logits, -1)[token])
    return total


def head_outputs(hf_model: nn.Module, path: str, ids: list[int]) -> torch.Tensor:
    kept = {}
    hook = hf_model.get_submodule(path).register_forward_pre_hook(lambda _module, args: kept.update(x=args[0].clone()))
    with torch.no_grad():
        hf_model(torch.tensor([ids]))
    hook.remove()
    return kept["x"]


@pytest.mark.parametrize("positions", [None, [3, 6]])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_each_head_is_patched_at_prompt_and_answer(family, positions):
    model = attnscope.Model(tiny_models.build(family))
    hf_model = model.hf_model
    sweep = model.patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL, positions=positions)
    assert sweep.metric == "log_probability" and sweep.answer.ids == tuple(ANSWER) and sweep.answer.id == -1
    ends = [
        log_probability(hf_model, prompt, ANSWER) - log_probability(hf_model, prompt, FOIL)
        for prompt in (CLEAN, CORRUPTED)
    ]
    assert [sweep.clean, sweep.corrupted] == pytest.approx(ends, abs=1e-5)
    for layer in range(3):
        path = W_O[family].format(layer)
        width = head_outputs(hf_model, path, CLEAN).shape[-1] // 4
        for head in (0, 3):
            part, found = slice(head * width, (head + 1) * width), []
            for answer in (ANSWER, FOIL):
                source = head_outputs(hf_model, path, CLEAN + answer)

                def patched(_module, args, source=source, part=part):
                    changed, at = args[0].clone(), positions or range(args[0].shape[1])
                    changed[0, list(at), part] = source[0, list(at), part]
                    return (changed,)

                hook = hf_model.get_submodule(path).register_forward_pre_hook(patched)
                found.append(log_probability(hf_model, CORRUPTED, answer))
                hook.remove()
            assert float(sweep.values[layer, head]) == pytest.approx(found[0] - found[1], abs=1e-5)


@pytest.mark.parametrize("what", ["output", "attention", "residual", "mlp"])
def test_a_prompt_patched_with_itself_changes_nothing_exactly(what):
    model = attnscope.Model(tiny_models.build("llama"))
    sweep = model.patch(CLEAN, CLEAN, what=what, answer=ANSWER, foil=[6, 7])
    assert bool((sweep.effects == 0).all()) and bool(sweep.unchanged.all())


def test_the_whole_residual_stream_gives_the_clean_prompts_value():
    model = attnscope.Model(tiny_models.build("gpt2"))
    sweep = model.patch(CLEAN, CORRUPTED, what="residual", by="layer", answer=ANSWER, foil=[6, 7])
    assert sweep.restored.tolist() == pytest.approx([1, 1, 1], abs=1e-4)


def test_the_attention_of_a_head_is_patched_at_prompt_and_answer():
    sweep = attnscope.Model(tiny_models.build("llama")).patch(CLEAN, CORRUPTED, what="attention", answer=ANSWER)
    plan: dict = {"layer": 0, "weights": {}, "patch": None}
    AttentionInterface.register("reference_answer", lambda *a, **k: reference_attention(plan, *a, **k))
    AttentionMaskInterface.register("reference_answer", eager_mask)
    hf_model = tiny_models.build("llama")
    hf_model.set_attn_implementation("reference_answer")

    def value(prompt: list[int]) -> float:
        with torch.no_grad():
            logits = hf_model(torch.tensor([prompt + ANSWER[:-1]])).logits[0, len(prompt) - 1 :].double()
        return float(torch.log_softmax(logits, -1).gather(-1, torch.tensor(ANSWER)[:, None]).sum())

    assert value(CLEAN) == pytest.approx(sweep.clean, abs=1e-5)
    source = dict(plan["weights"])
    for layer, head in ((0, 1), (1, 0), (2, 3)):
        plan |= {"layer": 0, "weights": {}, "patch": (layer, head, source[layer])}
        assert float(sweep.values[layer, head]) == pytest.approx(value(CORRUPTED), abs=1e-5)


def test_an_encoder_decoder_reads_the_answer_in_its_decoder():
    model, target = attnscope.Model(tiny_models.build("t5")), tiny_models.ids(4)
    sweep = model.patch(CLEAN, CORRUPTED, target=target, stack="cross", answer=ANSWER, foil=[6, 7])
    for prompt, found in ((CLEAN, sweep.clean), (CORRUPTED, sweep.corrupted)):
        wanted = []
        for answer in (ANSWER, [6, 7]):
            with torch.no_grad():
                ids = torch.tensor([[*target, *answer[:-1]]])
                logits = model.hf_model(torch.tensor([prompt]), decoder_input_ids=ids).logits[0].double()
            rows = torch.log_softmax(logits[len(target) - 1 :], -1)
            wanted.append(float(rows.gather(-1, torch.tensor(answer)[:, None]).sum()))
        assert found == pytest.approx(wanted[0] - wanted[1], abs=1e-5)
    assert bool((model.patch(CLEAN, CLEAN, target=target, stack="encoder", answer=ANSWER).effects == 0).all())


def test_a_text_of_several_tokens_says_how_it_is_split(smollm2):
    sweep = smollm2.patch(
        "The capital of France is",
        "The capital of Spain is",
        answer="Paris, of course",
        foil=" Madrid",
        layers=[20],
        heads=[0],
    )
    assert any("The answer 'Paris, of course' is" in note and "need the space before" in note for note in sweep.notes)
    ids = smollm2.tokenizer("Paris, of course", add_special_tokens=False)["input_ids"]
    prompt = smollm2.tokenizer("The capital of France is")["input_ids"]
    foil = smollm2.tokenizer(" Madrid")["input_ids"]
    wanted = log_probability(smollm2.hf_model, prompt, ids) - log_probability(smollm2.hf_model, prompt, foil)
    assert sweep.clean == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"answer": [1, 2], "metric": "logit"}, "no single logit"),
        ({"answer": [1, 2], "position": 3}, "measured at the last position"),
        ({"answer": []}, "must be a text, a token id, or a list of token ids"),
        ({"answer": [1, 10**6]}, "is not a token id"),
    ],
)
def test_invalid_answers_raise(wrong, said):
    with pytest.raises(InputError, match=said):
        attnscope.Model(tiny_models.build("gpt2")).patch(CLEAN, CORRUPTED, **wrong)


def test_a_masked_model_predicts_single_tokens():
    with pytest.raises(InputError, match="must be one token, because this model predicts tokens in place"):
        attnscope.Model(tiny_models.build("bert")).patch(CLEAN, CORRUPTED, answer=ANSWER, position=3)


def test_effects_of_mediation_are_ratios_and_their_logarithms():
    model = attnscope.Model(tiny_models.build("gpt2"))
    found = model.mediate(CLEAN, CORRUPTED, ANSWER, FOIL, positions=[3, 4])
    y = [
        log_probability(model.hf_model, prompt, ANSWER) - log_probability(model.hf_model, prompt, FOIL)
        for prompt in (CLEAN, CORRUPTED)
    ]
    assert found.log_total == pytest.approx(y[1] - y[0], abs=1e-5)
    assert found.total == pytest.approx(math.expm1(y[1] - y[0]), abs=1e-5)
    assert found.clean == pytest.approx(math.exp(y[0]), rel=1e-5) == found.into_clean.corrupted
    frame = found.frame()
    assert frame["log_indirect"].map(math.expm1).tolist() == pytest.approx(frame["indirect"].tolist(), abs=1e-9)
    assert frame["log_direct"].map(math.expm1).tolist() == pytest.approx(frame["direct"].tolist(), abs=1e-9)
    direct = model.patch(CLEAN, CORRUPTED, what="attention", metric="ratio", answer=ANSWER, foil=FOIL, positions=[3, 4])
    assert torch.allclose(found.direct, direct.values / found.clean - 1, atol=1e-6)


def test_logarithms_are_finite_where_a_ratio_overflows():
    hf_model = tiny_models.build("gpt2")
    with torch.no_grad():  # no tied weights of this size in practice: a foil that never comes
        hf_model.lm_head.weight = nn.Parameter(hf_model.lm_head.weight.clone() * 4000)
    model = attnscope.Model(hf_model)
    found = model.mediate(CLEAN, CORRUPTED, [5, 5, 5], [7, 7, 7])
    frame = found.frame()
    assert max(abs(found.log_into_clean.clean), abs(found.log_into_clean.corrupted)) > 750
    logs = frame[["log_indirect", "log_direct", "log_total"]].to_numpy()
    assert bool(torch.from_numpy(logs).isfinite().all())
