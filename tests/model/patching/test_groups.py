"""Heads that are patched together, against plain passes with all of them hooked at once."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from helpers.patched_passes import CLEAN, CORRUPTED, W_O, difference, read_by, reference_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core

GROUPS = [[(0, 1), (2, 3)], [(1, 0), (1, 2)]]
OPTIONS = {"answer": 5, "foil": 7}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_outputs_of_several_heads_are_patched_at_once(family):
    model = attnscope.Model(tiny_models.build(family))
    sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, together=GROUPS)
    assert sweep.by == "group" and sweep.values.shape == (2,)
    for group, value in zip(GROUPS, sweep.values.tolist(), strict=True):
        hooks = []
        for layer, head in group:
            path = W_O[family].format(layer)
            source = read_by(model.hf_model, path, CLEAN)
            width = source.shape[-1] // 4
            part = slice(head * width, (head + 1) * width)

            def patched(_module, args, source=source, part=part):
                changed = args[0].clone()
                changed[..., part] = source[..., part]
                return (changed,)

            hooks.append((path, patched))
        handles = [model.hf_model.get_submodule(path).register_forward_pre_hook(hook) for path, hook in hooks]
        expected = difference(model.hf_model, family, CORRUPTED)
        for handle in handles:
            handle.remove()
        assert value == pytest.approx(expected, abs=1e-5)
    frame = sweep.frame()
    assert frame["group"].tolist() == ["0.1 + 2.3", "1.0 + 1.2"] and sweep.columns[0] == ((0, 1), (2, 3))


def test_the_attention_of_heads_of_several_layers_acts_on_the_values_of_that_run():
    model = attnscope.Model(tiny_models.build("llama"))
    group = [(0, 1), (2, 3)]
    sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, what="attention", together=group)
    plan: dict = {"layer": 0, "weights": {}, "patch": None}
    sources: dict = {}

    def attention(module, query, key, value, mask, **options):
        layer = plan["layer"]
        head = dict(group).get(layer)
        plan["patch"] = None if head is None or not sources else (layer, head, sources[layer])
        return reference_attention(plan, module, query, key, value, mask, **options)

    AttentionInterface.register("reference_groups", attention)
    AttentionMaskInterface.register("reference_groups", eager_mask)
    hf_model = tiny_models.build("llama")
    hf_model.set_attn_implementation("reference_groups")
    assert difference(hf_model, "llama", CLEAN) == pytest.approx(sweep.clean, abs=1e-5)
    kept = dict(plan["weights"])
    sources.update(kept)
    plan |= {"layer": 0, "weights": {}}
    assert float(sweep.values[0]) == pytest.approx(difference(hf_model, "llama", CORRUPTED), abs=1e-5)
    alone = model.patch(CLEAN, CORRUPTED, **OPTIONS, what="attention", layers=[2])
    assert float(sweep.values[0]) != pytest.approx(float(alone.values[0, 3]), abs=1e-5)


def test_a_group_of_one_head_is_that_head():
    model = attnscope.Model(tiny_models.build("gpt2"))
    for what in ("output", "attention"):
        alone = model.patch(CLEAN, CORRUPTED, **OPTIONS, what=what)
        sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, what=what, together=[[(1, 2)], [(2, 0)]])
        assert sweep.values.tolist() == pytest.approx([alone.values[1, 2].item(), alone.values[2, 0].item()], abs=1e-6)
    same = model.patch(CLEAN, CLEAN, **OPTIONS, what="attention", together=[(0, 1), (2, 3)])
    assert bool((same.effects == 0).all()) and bool(same.unchanged.all())


def test_a_group_has_one_effect_in_mediation():
    model = attnscope.Model(tiny_models.build("gpt2"))
    found = model.mediate(CLEAN, CORRUPTED, 5, 7, together=GROUPS)
    assert next(iter(found.frame().columns)) == "group" and found.indirect.shape == (2,)
    into = model.patch(CORRUPTED, CLEAN, **OPTIONS, metric="ratio", what="attention", together=GROUPS)
    assert torch.allclose(found.indirect, into.values / into.corrupted - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"together": []}, "must be a list of heads"),
        ({"together": [(0, 1), [(1, 1)]]}, "must be a list of heads"),
        ({"together": [(0, 9)]}, "head 0.9, which does not exist"),
        ({"together": [(0, 1), (0, 1)]}, "a head twice"),
        ({"together": [(0, 1)], "layers": [0]}, "omit `by`, `layers` and `heads`"),
        ({"together": [(0, 1)], "what": "mlp"}, "not separate for each head"),
    ],
)
def test_invalid_groups_raise(wrong, said):
    with pytest.raises(InputError, match=said):
        attnscope.Model(tiny_models.build("gpt2")).patch(CLEAN, CORRUPTED, **OPTIONS, **wrong)
