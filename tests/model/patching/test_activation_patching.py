"""Activation patching sweeps, compared with separate full passes that use plain transformers and hooks."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from helpers.patched_passes import (
    ANSWER,
    AT,
    BLOCK,
    CLEAN,
    CORRUPTED,
    FOIL,
    MLP,
    W_O,
    difference,
    read_by,
    reference_attention,
    written_by,
)
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

import attnscope
from attnscope.errors import CancelledError, InputError, UnsupportedError

pytestmark = pytest.mark.core

FAMILIES = ("gpt2", "llama", "gemma2", "bert")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family) -> attnscope.Model:
    return attnscope.Model(tiny_models.build(family))


def swept(model: attnscope.Model, family: str, **options: object) -> attnscope.Sweep:
    return model.patch(CLEAN, CORRUPTED, answer=ANSWER, foil=FOIL, position=AT.get(family), **options)


def test_head_outputs_are_patched_as_by_separate_passes(model, family):
    sweep = swept(model, family, what="output")
    assert sweep.values.shape == (3, 4)
    hf_model = model.hf_model
    assert sweep.clean == pytest.approx(difference(hf_model, family, CLEAN), abs=1e-6)
    assert sweep.corrupted == pytest.approx(difference(hf_model, family, CORRUPTED), abs=1e-6)
    for layer in range(3):
        path = W_O[family].format(layer)
        source = read_by(hf_model, path, CLEAN)
        width = source.shape[-1] // 4
        for head in range(4):
            part = slice(head * width, (head + 1) * width)

            def patched(_module, args, source=source, part=part):
                changed = args[0].clone()
                changed[..., part] = source[..., part]
                return (changed,)

            hook = hf_model.get_submodule(path).register_forward_pre_hook(patched)
            expected = difference(hf_model, family, CORRUPTED)
            hook.remove()
            assert float(sweep.values[layer, head]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("what", ["residual", "mlp"])
def test_the_stream_is_patched_as_by_separate_passes(model, family, what):
    if what == "mlp" and family == "bert":
        with pytest.raises(UnsupportedError, match="cannot be patched"):
            swept(model, family, what="mlp")
        return
    sweep = swept(model, family, what=what)
    hf_model = model.hf_model
    assert sweep.values.shape == (3, 10) and sweep.by == "position"
    for layer in range(3):
        path = (BLOCK if what == "residual" else MLP)[family].format(layer)
        source = written_by(hf_model, path, CLEAN)
        for position in range(10):

            def patched(_module, _args, output, source=source, position=position):
                state = (output[0] if isinstance(output, tuple) else output).clone()
                state[:, position] = source[:, position]
                return (state, *output[1:]) if isinstance(output, tuple) else state

            hook = hf_model.get_submodule(path).register_forward_hook(patched)
            expected = difference(hf_model, family, CORRUPTED)
            hook.remove()
            assert float(sweep.values[layer, position]) == pytest.approx(expected, abs=1e-5)


def test_attention_is_patched_as_by_separate_passes(family):
    sweep = swept(attnscope.Model(tiny_models.build(family)), family, what="attention")
    plan: dict = {"layer": 0, "weights": {}, "patch": None}
    AttentionInterface.register("reference", lambda *a, **k: reference_attention(plan, *a, **k))
    AttentionMaskInterface.register("reference", eager_mask)
    hf_model = tiny_models.build(family)
    hf_model.set_attn_implementation("reference")
    assert difference(hf_model, family, CLEAN) == pytest.approx(sweep.clean, abs=1e-5)
    source = dict(plan["weights"])
    for layer in range(3):
        for head in range(4):
            plan |= {"layer": 0, "weights": {}, "patch": (layer, head, source[layer])}
            expected = difference(hf_model, family, CORRUPTED)
            assert float(sweep.values[layer, head]) == pytest.approx(expected, abs=1e-5)


def test_all_heads_of_a_layer_at_once(model, family):
    sweep = swept(model, family, what="output", by="layer", positions=[3, 4])
    assert sweep.values.shape == (3,)
    path = W_O[family].format(1)
    source = read_by(model.hf_model, path, CLEAN)

    def patched(_module, args):
        changed = args[0].clone()
        changed[:, 3:5] = source[:, 3:5]
        return (changed,)

    hook = model.hf_model.get_submodule(path).register_forward_pre_hook(patched)
    expected = difference(model.hf_model, family, CORRUPTED)
    hook.remove()
    assert float(sweep.values[1]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("what", ["output", "attention", "residual", "mlp"])
def test_a_prompt_patched_with_itself_changes_nothing_exactly(what):
    model = attnscope.Model(tiny_models.build("llama"))
    sweep = model.patch(CLEAN, CLEAN, what=what)
    assert sweep.clean == sweep.corrupted
    assert bool((sweep.values == sweep.corrupted).all()) and bool(sweep.unchanged.all())
    assert bool((sweep.effects == 0).all()) and bool(sweep.restored.isnan().all())


def test_a_real_model_patched_with_itself_changes_nothing_and_a_changed_word_does(smollm2):
    clean = smollm2.trace("The nurse said that she")
    same = smollm2.patch(clean, clean, answer=" was", foil=" had", layers=[0, 12, 29])
    assert bool((same.effects == 0).all())
    sweep = smollm2.patch(
        clean, "The farmer said that she", what="residual", answer=" was", foil=" had", layers=[5, 29]
    )
    assert bool((sweep.effects[:, 0] == 0).all()) and float(sweep.effects[0, 1]) != 0
    assert sweep.error < 1e-4
    assert float(sweep.restored[1, -1]) == pytest.approx(1, abs=1e-3)
    frame = sweep.frame()
    assert list(frame.columns) == ["layer", "position", "token", "source", "value", "effect", "restored", "unchanged"]
    assert frame["source"][1] == " nurse"
    assert len(frame) == 10 and list(frame["token"][:5]) == ["The", " farmer", " said", " that", " she"]


def test_mediation_is_zero_for_the_same_prompt_and_its_parts_are_the_two_sweeps(model, family):
    if family == "bert":
        return
    same = model.mediate(CLEAN, CLEAN, ANSWER, FOIL)
    assert same.total == 0 and bool((same.indirect == 0).all()) and bool((same.direct == 0).all())
    found = model.mediate(CORRUPTED, CLEAN, ANSWER, FOIL)
    base, swap = (torch.tensor(difference(model.hf_model, family, ids)).exp() for ids in (CORRUPTED, CLEAN))
    assert found.total == pytest.approx(float(swap / base - 1), abs=1e-5)
    frame = found.frame()
    effects = ["indirect", "direct", "total"]
    assert list(frame.columns) == ["layer", "head", *effects, *(f"log_{one}" for one in effects)] and len(frame) == 12


def test_a_sweep_reports_progress_and_can_be_cancelled(model, family):
    class Watching:
        def __init__(self) -> None:
            self.told: list[tuple[int, int]] = []

        def layer(self, done: int, total: int) -> None:
            self.told.append((done, total))

        def cancelled(self) -> bool:
            return (1, 3) in self.told

    watching = Watching()
    with pytest.raises(CancelledError):
        swept(model, family, observer=watching)
    assert watching.told[-1] == (1, 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"what": "logits"}, "`what` must be one of"),
        ({"what": "residual", "by": "head"}, "not separate for each head"),
        ({"metric": "ratio"}, "Pass `foil`"),
        ({"metric": "loss"}, "`metric` must be one of"),
        ({"layers": [3]}, "Layer 3 does not exist: layers are 0 to 2"),
        ({"layers": 1}, "`layers` must be a list"),
        ({"layers": torch.tensor([1.0])}, "Layer .* does not exist"),
        ({"layers": torch.ones(2, 2, dtype=torch.long)}, "Layer .* does not exist"),
        ({"heads": [0, 0]}, "contains a head twice"),
        ({"position": 1.0}, "`position` is an index, a word"),
        ({"positions": []}, "at least one position"),
        ({"stack": "cross"}, "stack 'cross' cannot be patched"),
    ],
)
def test_invalid_sweeps_raise(wrong, said):
    with pytest.raises(InputError, match=said):
        attnscope.Model(tiny_models.build("gpt2")).patch(CLEAN, CORRUPTED, answer=ANSWER, **wrong)


def test_a_span_is_one_cell_patched_together() -> None:
    model = attnscope.Model(tiny_models.build("gpt2"))
    options = {"what": "residual", "answer": ANSWER, "foil": FOIL}
    sweep = model.patch(CLEAN, CORRUPTED, **options, positions=[3, range(3, 5), [4]])
    apart = model.patch(CLEAN, CORRUPTED, **options, positions=[3, 4])
    assert sweep.columns == (3, (3, 4), 4) and sweep.values.shape == (3, 3)
    assert torch.allclose(sweep.values[:, [0, 2]], apart.values, atol=1e-6)
    path = BLOCK["gpt2"].format(1)
    clean = {}

    def keep(_module, _args, output):
        clean["x"] = output[0] if isinstance(output, tuple) else output

    def put(_module, _args, output):
        state = (output[0] if isinstance(output, tuple) else output).clone()
        state[0, 3:5] = clean["x"][0, 3:5]
        return (state, *output[1:]) if isinstance(output, tuple) else state

    for ids, hook in ((CLEAN, keep), (CORRUPTED, put)):
        handle = model.hf_model.get_submodule(path).register_forward_hook(hook)
        found = difference(model.hf_model, "gpt2", ids)
        handle.remove()
    assert float(sweep.values[1, 1]) == pytest.approx(found, abs=1e-5)
    assert sweep.frame()["position"].tolist()[:3] == [3, (3, 4), 4]


def test_positions_are_words_of_either_prompt(smollm2: attnscope.Model) -> None:
    clean, corrupted = "The doctor asked the nurse", "The lawyer asked the nurse"
    options = {"what": "residual", "layers": [3], "answer": " about", "foil": " to"}
    sweep = smollm2.patch(
        clean, corrupted, **options, positions=["doctor", "lawyer asked", ("the", 1)], position="nurse"
    )
    assert sweep.columns == (1, (1, 2), 3) and sweep.position == 4
    assert sweep.labels == (" lawyer", " lawyer asked", " the") and sweep.sources[0] == " doctor"
    same = smollm2.patch(clean, corrupted, **options, positions=[1, [1, 2], 3], position=4)
    assert torch.equal(sweep.values, same.values)
    with pytest.raises(InputError, match='"dentist" is not a word of the text'):
        smollm2.patch(clean, corrupted, **options, positions=["dentist"])


@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_every_stack_of_an_encoder_decoder_is_patched_as_by_separate_passes(name, stack):
    model, target = attnscope.Model(tiny_models.build(name)), tiny_models.ids(7)
    sweep = model.patch(CLEAN, CORRUPTED, target=target, stack=stack, answer=ANSWER, foil=FOIL)
    trace = model.trace(CLEAN, target=target)
    assert sweep.values.shape == (trace.stacks[stack].layers, trace.stacks[stack].heads)
    part = {"encoder": "SelfAttention.o", "decoder": "SelfAttention.o", "cross": "EncDecAttention.o"}[stack]
    side = "encoder" if stack == "encoder" else "decoder"
    inner = {"encoder": "self_attn", "decoder": "self_attn", "cross": "encoder_attn"}[stack]
    paths = [
        path
        for path, _ in model.hf_model.named_modules()
        if f"{side}." in path and path.endswith((part, f"{inner}.out_proj"))
    ]

    def logits(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            out = model.hf_model(torch.tensor([ids]), decoder_input_ids=torch.tensor([target]))
        return out.logits[0, -1].double()

    for layer, path in enumerate(paths):
        kept = {}
        module = model.hf_model.get_submodule(path)
        hook = module.register_forward_pre_hook(lambda _module, args, kept=kept: kept.update(x=args[0].clone()))
        logits(CLEAN)
        hook.remove()
        width = kept["x"].shape[-1] // trace.stacks[stack].heads

        def patched(_module, args, source=kept["x"], part=slice(width, 2 * width)):
            changed = args[0].clone()
            changed[..., part] = source[..., part]
            return (changed,)

        hook = module.register_forward_pre_hook(patched)
        expected = logits(CORRUPTED)
        hook.remove()
        assert float(sweep.values[layer, 1]) == pytest.approx(float(expected[ANSWER] - expected[FOIL]), abs=1e-5)
    assert len(paths) == len(sweep.layers)
