"""Edited passes compared with a reference eager attention: logits, later attention, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.eager_reference import Change, change_at, edited_copy, run_with_change, unchanged
from helpers.tiny_models import build, ids
from torch import Tensor
from transformers import AutoModelForCausalLM, Lfm2Config

import attnscope
from attnscope.edits import (
    AddVector,
    CutEdge,
    Edit,
    MeanHead,
    PatchHead,
    ResampleHead,
    ScaleHead,
    ScaleNeuron,
    SetAttention,
)
from attnscope.errors import InputError, UnsupportedError

pytestmark = pytest.mark.core

TOLERANCE = 1e-5
PATHS = {
    "gpt2": {"decoder": "transformer.h.{}.attn"},
    "bert": {"encoder": "bert.encoder.layer.{}.attention.self"},
    "llama": {"decoder": "model.layers.{}.self_attn"},
    "gemma2": {"decoder": "model.layers.{}.self_attn"},
    "gpt_oss": {"decoder": "model.layers.{}.self_attn"},
    "t5": {
        "encoder": "encoder.block.{}.layer.0.SelfAttention",
        "decoder": "decoder.block.{}.layer.0.SelfAttention",
        "cross": "decoder.block.{}.layer.1.EncDecAttention",
    },
    "bart": {
        "encoder": "model.encoder.layers.{}.self_attn",
        "decoder": "model.decoder.layers.{}.self_attn",
        "cross": "model.decoder.layers.{}.encoder_attn",
    },
}
CASES = [(family, stack) for family, stacks in PATHS.items() for stack in stacks]


class Subject:
    """A tiny model, an unedited trace of it, and a copy that runs with the reference attention."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.model = attnscope.Model(build(family))
        self.across = family in ("t5", "bart")
        self.text, self.target = ids(9), [1, *ids(5)]
        self.trace = self.traced([])
        self.twin = edited_copy(self.model.hf_model)
        self.outputs: dict[str, Tensor] = {}
        self.plain = self.reference(self._seen)

    def traced(self, edits: list[Edit]) -> attnscope.Trace:
        if self.across:
            return self.model.trace(self.text, target=self.target, edits=edits)
        return self.model.trace(self.text, edits=edits)

    def reference(self, change: Change) -> tuple[Tensor, dict[str, Tensor]]:
        inputs = dict(self.trace.inputs)
        output, seen = run_with_change(
            self.twin, change, lambda: self.twin(**inputs, use_cache=False) if self.uses_cache else self.twin(**inputs)
        )
        return output.logits[0], seen

    @property
    def uses_cache(self) -> bool:
        return self.family != "bert"

    def _seen(self, what: str, path: str, tensor: Tensor) -> Tensor:
        if what == "output":
            self.outputs[path] = tensor
        return tensor


_SUBJECTS: dict[str, Subject] = {}


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    family = request.param
    if family not in _SUBJECTS:
        _SUBJECTS[family] = Subject(family)
    return _SUBJECTS[family]


def _set(weights: Tensor, head: int, query: int, key: int, weight: float) -> None:
    row = weights[0, head, query]
    total = row.sum()
    rest = 1.0 - row[key] if total < 1 - 1e-4 else total - row[key]  # a learned sink is part of the rest
    row *= (1 - weight) / rest
    row[key] = weight


def edits_and_changes(subject: Subject, stack: str) -> list[tuple[str, Any, Change]]:
    """Every kind of edit in layer 1, and the same change in the reference attention."""
    path = PATHS[subject.family][stack].format(1)
    record = subject.trace.layer_record(1, stack)
    group = record.shape.heads // record.shape.kv_heads
    head = min(2, record.shape.heads - 1)
    other = subject.model.trace(**_other(subject))
    where = {"stack": stack}
    own = other.layer_record(1, stack).output(torch.tensor([head]), torch.arange(record.queries))[0]
    twin_mean = own.mean(0)
    keys = record.keys

    def scale(tensor: Tensor) -> None:
        tensor[:, :, head] *= -0.5

    def mean(tensor: Tensor) -> None:
        tensor[:, :, head] = twin_mean

    def patch(tensor: Tensor) -> None:
        tensor[0, head] = other.attention(1, head, stack)

    def patch_output(tensor: Tensor) -> None:
        tensor[0, :, head] = own

    def neuron(which: int, factor: float) -> Callable[[Tensor], None]:
        def change(tensor: Tensor) -> None:
            tensor[:, which, :, [1, 3]] *= factor

        return change

    def cut(tensor: Tensor) -> None:
        tensor[0, head, 3, 1] = -torch.inf

    return [
        ("ScaleHead", ScaleHead(1, head, -0.5, **where), change_at("output", path, scale)),
        ("MeanHead", MeanHead(1, head, other, **where), change_at("output", path, mean)),
        (
            "SetAttention",
            SetAttention(1, head, 3, 1, 0.7, **where),
            change_at("weights", path, lambda t: _set(t, head, 3, 1, 0.7)),
        ),
        ("CutEdge", CutEdge(1, head, 3, 1, **where), change_at("scores", path, cut)),
        ("ScaleNeuron q", ScaleNeuron(1, head, (1, 3), 3.0, **where), change_at("q", path, neuron(head, 3.0))),
        (
            "ScaleNeuron k",
            ScaleNeuron(1, head, (1, 3), 3.0, "k", **where),
            change_at("k", path, neuron(head // group, 3.0)),
        ),
        (
            "ScaleNeuron v",
            ScaleNeuron(1, head, (1, 3), 3.0, "v", **where),
            change_at("v", path, neuron(head // group, 3.0)),
        ),
        ("PatchHead attention", PatchHead(1, head, other, **where), change_at("weights", path, patch)),
        (
            "PatchHead output",
            PatchHead(1, head, other, what="output", **where),
            change_at("output", path, patch_output),
        ),
        (
            "a cut row",
            [CutEdge(1, head, 2, key, **where) for key in range(keys)],
            change_at("scores", path, lambda t: t[0, head, 2].fill_(-torch.inf)),
        ),
    ]


def _other(subject: Subject) -> dict[str, Any]:
    text = list(reversed(subject.text))
    return {"text": text, "target": [1, *reversed(subject.target[1:])]} if subject.across else {"text": text}


@pytest.mark.parametrize(("subject", "stack"), CASES, indirect=["subject"], ids=lambda one: str(one))
def test_every_kind_of_edit_equals_the_same_change_in_the_reference_attention(subject: Subject, stack: str) -> None:
    plain_logits, _ = subject.plain
    paths = {(name, layer): path.format(layer) for name, path in PATHS[subject.family].items() for layer in range(3)}
    for name, edit, change in edits_and_changes(subject, stack):
        trace = subject.traced(edit if isinstance(edit, list) else [edit])
        logits, weights = subject.reference(change)
        assert (logits - plain_logits).abs().max() > 1e-4, f"{name} changes nothing"
        assert _off(trace.logits, logits) < TOLERANCE, name
        assert trace.certificate.ok, name
        for (side, layer), path in paths.items():
            if layer < len(trace.traced_stack(side).records):
                shown = torch.stack([trace.attention(layer, head, side) for head in range(len(weights[path][0]))])
                assert (shown - weights[path][0]).abs().max() < TOLERANCE, f"{name}: {side} {layer}"


def _off(one: Tensor | None, other: Tensor) -> float:
    assert one is not None
    return float((one - other).abs().max() / max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("subject", ["gpt2", "llama", "gemma2"], indirect=True)
def test_layers_before_the_first_edit_are_bit_identical(subject: Subject) -> None:
    edited = subject.traced([CutEdge(1, 2, 3, 1), ScaleNeuron(2, 0, 1, 2.0)])
    for part in ("q", "k", "v"):
        for layer in (0, 1):
            assert torch.equal(getattr(edited, part)(layer, 1), getattr(subject.trace, part)(layer, 1))
    assert torch.equal(edited.attention(1, 1), subject.trace.attention(1, 1))
    assert torch.equal(edited.attention(1, 2, rows=slice(0, 3)), subject.trace.attention(1, 2, rows=slice(0, 3)))
    assert torch.equal(edited.q(2, 1)[:3], subject.trace.q(2, 1)[:3])
    assert not torch.equal(edited.q(2, 1)[3:], subject.trace.q(2, 1)[3:])
    assert float(edited.attention(1, 2)[3, 1]) == 0.0
    assert float(edited.scores(1, 2)[3, 1]) == -torch.inf
    assert torch.isfinite(edited.scores(1, 2)[3, 0])


@pytest.mark.parametrize("subject", ["llama"], indirect=True)
def test_edits_apply_in_the_order_of_the_computation_and_then_of_the_list(subject: Subject) -> None:
    path = PATHS["llama"]["decoder"].format(1)

    def both(what: str, where: str, tensor: Tensor) -> Tensor:
        if where != path or what not in ("scores", "weights", "output"):
            return tensor
        tensor = tensor.clone()
        if what == "scores":
            tensor[0, 2, 5, 4] = -torch.inf
        if what == "weights":
            _set(tensor, 2, 5, 1, 0.4)
            _set(tensor, 2, 5, 2, 0.3)
        if what == "output":
            tensor[:, :, 2] *= 2
        return tensor

    logits, weights = subject.reference(both)
    edits = [ScaleHead(1, 2, 2), SetAttention(1, 2, 5, 1, 0.4), SetAttention(1, 2, 5, 2, 0.3), CutEdge(1, 2, 5, 4)]
    trace = subject.traced(edits)
    assert _off(trace.logits, logits) < TOLERANCE
    assert (trace.attention(1, 2) - weights[path][0, 2]).abs().max() < TOLERANCE
    other_order = subject.traced([edits[0], edits[2], edits[1], edits[3]])
    assert _off(other_order.logits, logits) > 1e-5
    twice = subject.traced([MeanHead(1, 2, torch.ones(8)), ScaleHead(1, 2, 0.5)])
    once = subject.traced([MeanHead(1, 2, torch.full((8,), 0.5))])
    assert _off(twice.logits, once.logits) < 1e-6


@pytest.mark.parametrize("subject", ["llama", "bert", "t5"], indirect=True)
def test_head_outputs_include_the_edits(subject: Subject) -> None:
    stack = "cross" if subject.across else next(iter(subject.model.stacks))
    for edit in (ScaleHead(1, 2, 0.25, stack=stack), MeanHead(1, 2, torch.linspace(-1, 1, 8), stack=stack)):
        edited = subject.traced([edit])
        record = edited.layer_record(1, stack)
        passed = record.output(torch.tensor([2]), torch.arange(record.queries))[0]
        plain = subject.trace.layer_record(1, stack).output(torch.tensor([2]), torch.arange(record.queries))[0]
        wanted = plain * 0.25 if isinstance(edit, ScaleHead) else torch.linspace(-1, 1, 8).expand_as(plain)
        assert torch.allclose(passed, wanted, atol=1e-6)
        assert torch.allclose(edited.attention(1, 2, stack), subject.trace.attention(1, 2, stack))
        assert edited.head_output(1, 2, stack).shape == subject.trace.head_output(1, 2, stack).shape


@pytest.mark.parametrize("subject", ["gpt2", "llama", "bart"], indirect=True)
@pytest.mark.parametrize("side", ["input", "output"])
def test_add_vector_equals_a_hook_on_the_block(subject: Subject, side: str) -> None:
    path = {"gpt2": "transformer.h.1", "llama": "model.layers.1", "bart": "model.decoder.layers.1"}[subject.family]
    vector = torch.linspace(-2, 2, 32)
    block = subject.twin.get_submodule(path)

    def added(states: Any) -> Any:
        first = states[0] if isinstance(states, tuple) else states
        first = first.clone()
        first[:, 3] += vector
        return (first, *states[1:]) if isinstance(states, tuple) else first

    if side == "input":
        handle = block.register_forward_pre_hook(lambda _m, args: (added(args[0]), *args[1:]))
    else:
        handle = block.register_forward_hook(lambda _m, _a, output: added(output))
    logits, _ = subject.reference(unchanged)
    handle.remove()
    stack = {"stack": "decoder"}
    trace = subject.traced([AddVector(1, 3, vector, at=side, **stack)])
    assert _off(trace.logits, logits) < TOLERANCE
    assert _off(trace.logits, subject.plain[0]) > 1e-4


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_add_vector_works_in_a_layer_without_attention(layer: int, side: Any) -> None:
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=32,
        full_attn_idxs=[1, 3],
    )
    hf_model = AutoModelForCausalLM.from_config(config).eval()
    block, vector, model = hf_model.model.layers[layer], torch.linspace(-2, 2, 32), attnscope.Model(hf_model)

    def added(states: Tensor) -> Tensor:
        changed = states.clone()
        changed[:, 3] += vector
        return changed

    if side == "input":
        handle = block.register_forward_pre_hook(lambda _m, args: (added(args[0]), *args[1:]))
    else:
        handle = block.register_forward_hook(lambda _m, _a, output: added(output))
    with torch.no_grad():
        wanted = hf_model(input_ids=torch.tensor([ids(9)]), use_cache=False).logits[0]
    handle.remove()
    edits = [AddVector(layer, 3, vector, at=side)]
    assert _off(model.trace(ids(9), edits=edits).logits, wanted) < TOLERANCE
    shares = model.states(ids(9), edits=edits).contributions
    assert shares is not None
    assert abs(sum(one.value for one in shares.shares) - float(wanted[-1].max())) < 1e-5
    with pytest.raises(InputError, match="which has no attention"):
        model.trace(ids(9), edits=[ScaleHead(0, 0, 0)])


@pytest.mark.parametrize("subject", ["llama"], indirect=True)
def test_resampling_uses_outputs_of_the_reference_and_depends_only_on_the_seed(subject: Subject) -> None:
    reference = subject.model.trace(ids(12))
    samples = reference.layer_record(1).output(torch.tensor([2]), torch.arange(12))[0]
    edited = subject.traced([ResampleHead(1, 2, [reference], seed=5)])
    passed = edited.layer_record(1).output(torch.tensor([2]), torch.arange(9))[0]
    for row in passed:
        assert (samples - row).abs().amax(1).min() < 1e-6
    assert torch.equal(edited.logits, subject.traced([ResampleHead(1, 2, reference, seed=5)]).logits)
    assert not torch.equal(edited.logits, subject.traced([ResampleHead(1, 2, reference, seed=6)]).logits)


@pytest.mark.parametrize("subject", ["gpt2", "llama", "gemma2", "bart"], indirect=True)
@pytest.mark.parametrize("what", ["attention", "output"])
def test_patching_an_input_with_itself_leaves_everything_bit_identical(subject: Subject, what: Any) -> None:
    stack = {"stack": "cross" if subject.across else "decoder"}
    edits: list[Edit] = [PatchHead(layer, 1, subject.trace, what, **stack) for layer in range(2)]
    patched = subject.traced(edits)
    assert subject.trace.logits is not None
    assert torch.equal(patched.logits, subject.trace.logits)
    assert torch.equal(patched.attention(1, 1, stack["stack"]), subject.trace.attention(1, 1, stack["stack"]))
    if not subject.across:
        both = torch.cat([subject.trace.inputs["input_ids"]] * 2)
        with torch.no_grad():
            plain = subject.model.hf_model(input_ids=both).logits
            with subject.model.edited(edits):
                assert torch.equal(subject.model.hf_model(input_ids=both).logits, plain)
    doubled = subject.traced([ScaleHead(1, 1, 2.0, **stack)])
    again = subject.traced([PatchHead(1, 1, doubled, what="output", **stack)])
    assert _off(again.logits, doubled.logits) < 1e-6


def test_only_the_named_layer_of_a_shared_module_is_edited() -> None:
    model = attnscope.Model(build("albert"))
    plain, edited = model.trace(ids()), model.trace(ids(), edits=[ScaleNeuron(1, 0, (0, 1), 5.0)])
    assert torch.equal(edited.q(0, 0), plain.q(0, 0))
    assert torch.allclose(edited.q(1, 0)[:, :2], 5 * plain.q(1, 0)[:, :2])
    assert torch.equal(edited.q(1, 0)[:, 2:], plain.q(1, 0)[:, 2:])
    moved = model.trace(ids(), edits=[AddVector(1, 4, torch.ones(32))])
    assert torch.equal(moved.q(1, 0), plain.q(1, 0))
    assert torch.equal(moved.q(2, 0)[:4], plain.q(2, 0)[:4])
    assert not torch.equal(moved.q(2, 0)[4], plain.q(2, 0)[4])


@pytest.mark.parametrize("subject", ["llama"], indirect=True)
def test_edits_that_cannot_be_applied_raise_or_warn(subject: Subject) -> None:
    with pytest.raises(InputError, match="cannot attend to key 5"):
        subject.traced([SetAttention(1, 2, 3, 5, 0.5)])
    with pytest.raises(InputError, match="positions go from 0 to 8"):
        subject.traced([CutEdge(1, 2, 9, 0)])
    with pytest.raises(InputError, match="has 4 numbers, but the residual stream has 32"):
        subject.traced([AddVector(0, None, [1.0] * 4)])
    with pytest.raises(InputError, match="12 × 12 queries and keys, but this input has 9 × 9"):
        subject.traced([PatchHead(1, 2, subject.model.trace(ids(12)))])
    assert any("changes nothing" in one for one in subject.traced([CutEdge(1, 2, 3, 5)]).warnings)
    assert any("sums to 0.5" in one for one in subject.traced([SetAttention(1, 2, 0, 0, 0.5)]).warnings)
    with pytest.raises(UnsupportedError, match="attnscope cannot change its attention"):
        attnscope.Model(build("bloom")).trace(ids(), edits=[ScaleHead(0, 0, 0)])


@pytest.mark.parametrize("subject", ["gpt2"], indirect=True)
def test_one_edit_needs_no_list(subject: Subject) -> None:
    edit = ScaleHead(1, 2, 0)
    assert subject.traced(edit).edits == [edit]  # pyright: ignore[reportArgumentType]
    assert subject.model.generate(ids(4), 2, edit).trace.edits == [edit]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("subject", ["gemma2"], indirect=True)
def test_a_saved_edited_trace_keeps_its_edits(subject: Subject, tmp_path: Any) -> None:
    edits = [CutEdge(1, 2, 3, 1), ScaleHead(1, 1, 0), PatchHead(2, 0, subject.trace)]
    trace = subject.traced(edits)
    assert trace.edits == edits
    assert "3 edits" in repr(trace)
    assert trace.id != subject.trace.id
    trace.save(tmp_path / "edited.trace", weights=True)
    again = attnscope.open(tmp_path / "edited.trace")
    assert again.edits == edits
    assert again.id == trace.id
    assert torch.equal(again.attention(1, 2), trace.attention(1, 2))
    assert torch.equal(again.scores(1, 2), trace.scores(1, 2))
    assert torch.equal(again.head_output(1, 1), torch.zeros_like(again.head_output(1, 1)))
