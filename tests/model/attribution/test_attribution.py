"""Gradients compared with finite differences, patches and ablations with hooks on the transformers model."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.edits import PatchHead, ScaleHead
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.attribution import attribution_patching
from attnscope.model.attribution.agreement import same_sign, spearman
from attnscope.model.effects import passes

pytestmark = pytest.mark.core

CLEAN = tiny_models.ids(10)
CORRUPTED = [*CLEAN[:3], 20, 21, *CLEAN[5:]]
ANSWER, FOIL = 5, 7
FAMILIES = ("gpt2", "llama", "gemma2", "gpt_oss", "deepseek_v3")
W_O = {
    "gpt2": "transformer.h.{}.attn.c_proj",
    "llama": "model.layers.{}.self_attn.o_proj",
    "gemma2": "model.layers.{}.self_attn.o_proj",
    "gpt_oss": "model.layers.{}.self_attn.o_proj",
    "deepseek_v3": "model.layers.{}.self_attn.o_proj",
}
STEPS = {"deepseek_v3": 1e-3}
"""Steps of finite differences. A larger one lets tokens go to other experts."""


def build(family: str):
    """A tiny model, in float64 where it can compute in it, for finite differences."""
    model = tiny_models.build(family)
    return model if family in ("gpt_oss", "deepseek_v3") else model.double()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family) -> attnscope.Model:
    return attnscope.Model(build(family))


@pytest.fixture(scope="module")
def gpt2() -> attnscope.Model:
    return attnscope.Model(build("gpt2"))


def logits_with(hf_model, path: str, change, ids: list[int]) -> torch.Tensor:
    """Logits [token, vocab] where `change` was applied to what W_O reads, [1, token, head, v_dim]."""

    def edit(_module, args):
        heads = args[0].unflatten(-1, (4, -1)).clone()
        change(heads)
        return (heads.flatten(-2), *args[1:])

    handle = hf_model.get_submodule(path).register_forward_pre_hook(edit)
    with torch.no_grad():
        found = hf_model(torch.tensor([ids])).logits[0]
    handle.remove()
    return found.double()


def head_outputs(hf_model, path: str, ids: list[int]) -> torch.Tensor:
    kept = []
    logits_with(hf_model, path, lambda heads: kept.append(heads.clone()), ids)
    return kept[0]


def close(derivative: float):
    """A derivative by finite differences. Norms compute in float32 in most models."""
    return pytest.approx(derivative, rel=5e-3, abs=2e-4)


def loss(logits: torch.Tensor, ids: list[int]) -> float:
    return float(torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])))


def scaled(hf_model, path: str, head: int, factor: float, ids: list[int]) -> torch.Tensor:
    def change(heads):
        heads[:, :, head] *= factor

    return logits_with(hf_model, path, change, ids)


def test_head_importance_is_the_derivative_by_the_gate(model, family):
    importance = model.head_importance([CLEAN, CORRUPTED])
    assert importance.metric == "language_modeling_loss"
    assert importance.values.shape == (3, 4)
    step = STEPS.get(family, 5e-3)
    for layer in range(3):
        for head in range(4):
            path = W_O[family].format(layer)
            for number, ids in enumerate((CLEAN, CORRUPTED)):
                up, down = (loss(scaled(model.hf_model, path, head, 1 + sign * step, ids), ids) for sign in (1, -1))
                assert float(importance.gradients[number, layer, head]) == close((up - down) / (2 * step))
    assert torch.allclose(importance.values, importance.gradients.abs().mean(0))


def test_importance_for_a_metric_of_several_tokens(gpt2):
    answer, step = [5, 9, 11], 1e-4
    found = gpt2.head_importance(CLEAN, answer=answer, foil=FOIL)
    for layer, head in ((0, 1), (1, 3), (2, 0)):
        up, down = (
            gpt2.effect(CLEAN, [ScaleHead(layer, head, 1 + sign * step)], answer=answer, foil=FOIL).after
            for sign in (1, -1)
        )
        assert float(found.gradients[0, layer, head]) == pytest.approx((up - down) / (2 * step), abs=1e-3)


def test_normalized_importance_has_length_one_in_every_layer(gpt2):
    plain, normalized = (gpt2.head_importance(CLEAN, normalized=value) for value in (False, True))
    assert normalized.values.norm(dim=1).tolist() == pytest.approx([1, 1, 1])
    assert torch.allclose(normalized.values, plain.values / plain.values.norm(dim=1, keepdim=True))
    frame = plain.frame()
    assert frame.importance.is_monotonic_decreasing
    top = frame.iloc[0]
    assert float(plain.values[int(top.layer), int(top["head"])]) == pytest.approx(float(plain.values.max()))


def test_importance_is_confirmed_by_ablating_each_head(model, family):
    importance = model.head_importance([CLEAN, CORRUPTED], confirm=5)
    ablated = importance.ablated
    assert ablated is not None
    assert [float(importance.values[place]) for place in ablated.heads] == ablated.importance.tolist()
    assert ablated.importance.tolist() == importance.frame().importance[:5].tolist()
    for (layer, head), found in zip(ablated.heads, ablated.ablation, strict=True):
        path = W_O[family].format(layer)
        wanted = 0.0
        for ids in (CLEAN, CORRUPTED):
            without, plain = (loss(scaled(model.hf_model, path, head, factor, ids), ids) for factor in (0.0, 1.0))
            wanted += abs(without - plain) / 2
        assert float(found) == pytest.approx(wanted, abs=1e-5)
    assert "n = 5 heads" in repr(importance)


def test_head_estimates_are_the_change_times_the_gradient(model, family):
    """The gradient along clean − corrupted, by finite differences of the corrupted run."""
    estimates = model.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL).estimates
    step = STEPS.get(family, 5e-3)
    for layer in range(3):
        path = W_O[family].format(layer)
        first, second = (head_outputs(model.hf_model, path, ids) for ids in (CLEAN, CORRUPTED))
        change = first - second
        for head in range(4):

            def moved(by: float, head=head, path=path, change=change) -> float:
                def add(heads):
                    heads[:, :, head] += by * change[:, :, head]

                logits = logits_with(model.hf_model, path, add, CORRUPTED)[-1]
                return float(logits[ANSWER] - logits[FOIL])

            wanted = (moved(step) - moved(-step)) / (2 * step)
            assert float(estimates[layer, head]) == close(wanted)


def test_confirmed_heads_are_those_of_activation_patching(model, family):
    found = model.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL, confirm=5)
    sweep = model.patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL)
    confirmation = found.confirmation
    assert confirmation is not None
    assert (len(confirmation.cells), confirmation.largest) == (10, 5)
    assert len(set(confirmation.cells)) == 10
    top = found.frame(5)
    assert [tuple(row) for row in zip(top.layer, top["head"], strict=True)] == list(confirmation.cells[:5])
    for cell, effect in zip(confirmation.cells, confirmation.effects, strict=True):
        assert float(effect) == pytest.approx(float(sweep.effects[cell]), abs=1e-4)
    assert (found.clean, found.corrupted) == pytest.approx((sweep.clean, sweep.corrupted), abs=1e-4)
    assert confirmation.frame().drawn.tolist() == [False] * 5 + [True] * 5
    assert "same sign" in repr(found)


def test_edge_estimates_and_patches_are_those_of_single_weights(model, family):
    found = model.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL, of="edges", confirm=6)
    assert found.estimates.shape == (3, 4, 10, 10)
    clean, corrupted = (model.trace(ids) for ids in (CLEAN, CORRUPTED))
    confirmation = found.confirmation
    assert confirmation is not None
    plain = logits_with(model.hf_model, W_O[family].format(0), lambda heads: None, CORRUPTED)[-1]
    for (layer, head, query, key), estimate, effect in zip(
        confirmation.cells, confirmation.estimates, confirmation.effects, strict=True
    ):
        change = float((clean.attention(layer, head) - corrupted.attention(layer, head))[query, key])
        value = corrupted.v(layer, head)[key].double()

        def moved(by: float, where=(layer, head, query), value=value) -> float:
            def add(heads):
                heads[0, where[2], where[1]] += by * value

            logits = logits_with(model.hf_model, W_O[family].format(where[0]), add, CORRUPTED)[-1] - plain
            return float(logits[ANSWER] - logits[FOIL])

        assert float(effect) == pytest.approx(moved(change), abs=1e-5)
        step = 1e-2
        assert float(estimate) == pytest.approx((moved(step) - moved(-step)) / (2 * step) * change, rel=1e-2, abs=2e-5)


def test_a_prompt_attributed_to_itself_is_zero(gpt2):
    for of in ("heads", "edges"):
        found = gpt2.attribution_patch(CLEAN, CLEAN, answer=ANSWER, of=of, confirm=3)
        assert not found.estimates.any()
        assert found.frame().empty
        assert found.confirmation.cells == ()


def test_answers_of_several_tokens_sum_over_their_passes(gpt2):
    found = gpt2.attribution_patch(CLEAN, CORRUPTED, answer=[5, 9], foil=[6, 8, 3], confirm=12)
    source = gpt2.trace(CLEAN)
    assert found.metric == "log_probability"
    for (layer, head), effect in zip(found.confirmation.cells, found.confirmation.effects, strict=True):
        wanted = gpt2.effect(CORRUPTED, [PatchHead(layer, head, source, "output")], answer=[5, 9], foil=[6, 8, 3])
        # the answer's own positions are patched as well, with the clean run's outputs there
        assert float(effect) == pytest.approx(wanted.effect, abs=0.1)
    assert found.confirmation.spearman > 0.8


def test_layers_restrict_estimates(gpt2):
    every = gpt2.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER)
    some = gpt2.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, layers=[2, 0], confirm=2)
    assert torch.equal(some.estimates, every.estimates[[2, 0]])
    assert {cell[0] for cell in some.confirmation.cells} <= {0, 2}
    assert set(some.frame().layer) == {0, 2}
    with pytest.raises(InputError, match="`top` must be"):
        some.frame(-1)
    with pytest.raises(InputError, match="`name` of Metric"):
        attnscope.Metric(5, name=[])


def test_models_are_left_as_they_are():
    """Gradients, flags, mode and hooks of the user's model, also from other threads and inside no_grad and inference mode."""
    hf_model = tiny_models.build("llama").train()
    for number, parameter in enumerate(hf_model.parameters()):
        parameter.requires_grad_(number % 2 == 0)
    first = next(hf_model.parameters())
    first.grad = torch.ones_like(first)
    before = copy.deepcopy([(one.detach().clone(), one.requires_grad) for one in hf_model.parameters()])
    model = attnscope.Model(hf_model)
    wanted = model.head_importance(CLEAN, answer=ANSWER).values
    found = []
    with torch.no_grad():
        found.append(model.head_importance(CLEAN, answer=ANSWER).values)
    with torch.inference_mode():
        found.append(model.head_importance(CLEAN, answer=ANSWER).values.clone())
    threads = [
        threading.Thread(target=lambda: found.append(model.head_importance(CLEAN, answer=ANSWER).values))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, of="edges", confirm=2)
    assert len(found) == 5
    assert all(torch.allclose(one, wanted, atol=1e-6) for one in found)
    for (value, needs), one in zip(before, hf_model.parameters(), strict=True):
        assert torch.equal(value, one)
        assert needs == one.requires_grad
        assert one.grad is None or (one is first and bool((one.grad == 1).all()))
    assert hf_model.training
    assert torch.is_grad_enabled()


def test_frozen_models_have_gradients_of_their_heads(gpt2):
    frozen = build("gpt2").requires_grad_(False)
    found = attnscope.Model(frozen).head_importance(CLEAN).values
    assert torch.allclose(found, gpt2.head_importance(CLEAN).values)


def test_a_function_that_is_not_differentiable_is_an_error(gpt2):
    differentiable = gpt2.head_importance(CLEAN, lambda logits: logits[-1, ANSWER])
    assert torch.allclose(differentiable.values, gpt2.head_importance(CLEAN, "logit", answer=ANSWER).values)
    with pytest.raises(UnsupportedError, match="has no gradient"):
        gpt2.head_importance(CLEAN, lambda logits: float(logits[-1, ANSWER].detach()))


def test_what_cannot_be_attributed_is_an_error(gpt2, monkeypatch):
    with pytest.raises(InputError, match="do not align"):
        gpt2.attribution_patch(CLEAN, CLEAN[:-1])
    with pytest.raises(InputError, match="`of` must be one of"):
        gpt2.attribution_patch(CLEAN, CORRUPTED, of="mlps")
    with pytest.raises(InputError, match="`layers` must be"):
        gpt2.attribution_patch(CLEAN, CORRUPTED, layers=[3])
    with pytest.raises(InputError, match="`confirm` must be"):
        gpt2.head_importance(CLEAN, confirm=-1)
    with pytest.raises(InputError, match="no tokens"):
        gpt2.head_importance([])
    with pytest.raises(InputError, match="Only a causal model"):
        attnscope.Model(tiny_models.build("bert")).head_importance(CLEAN)
    with pytest.raises(UnsupportedError, match="attention interface"):
        attnscope.Model(tiny_models.build("bloom")).head_importance(CLEAN)
    monkeypatch.setattr(attribution_patching, "EDGES_AT_MOST", 1000)
    with pytest.raises(InputError, match="1,200 edges"):
        gpt2.attribution_patch(CLEAN, CORRUPTED, of="edges")
    assert gpt2.attribution_patch(CLEAN, CORRUPTED, of="edges", layers=[1]).estimates.shape[0] == 1


def test_cross_attention_of_an_encoder_decoder_is_attributed():
    bart = attnscope.Model(tiny_models.build("bart"))
    found = bart.attribution_patch(
        CLEAN, CORRUPTED, "logit", answer=ANSWER, target=[4, 6, 9], stack="cross", of="edges", confirm=4
    )
    assert found.estimates.shape == (2, 2, 3, 10)
    assert found.confirmation.spearman > 0.5
    importance = bart.head_importance([bart.encode(CLEAN, target=[4, 6, 9])], "logit", answer=ANSWER, stack="encoder")
    assert importance.values.shape == (3, 4)
    assert bool((importance.values > 0).all())


def test_patches_in_small_batches_equal_those_in_one(gpt2, monkeypatch):
    one = gpt2.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, of="edges", confirm=6).confirmation
    monkeypatch.setattr(passes, "TOKENS_AT_ONCE", 30)
    other = gpt2.attribution_patch(CLEAN, CORRUPTED, answer=ANSWER, of="edges", confirm=6).confirmation
    assert one.cells == other.cells
    assert torch.allclose(one.effects, other.effects, atol=1e-9)


def test_agreement_is_worked_out_by_hand():
    # ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: 4.5 / sqrt(4.5 · 5)
    found = spearman(torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([-3.0, 2.0, 1.0, 8.0]))
    assert found == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert spearman(torch.tensor([1.0]), torch.tensor([1.0])) != spearman(torch.tensor([1.0]), torch.tensor([1.0]))
    assert same_sign(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([4.0, 2.0, 1.0])) == pytest.approx(2 / 3)
