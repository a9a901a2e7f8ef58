"""Edits at some positions: `PatchHead` and `ScaleNeuron` with `position`, against plain models with hooks."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from helpers.patched_passes import W_O, read_by

import attnscope
from attnscope import edits
from attnscope.errors import InputError, UnsupportedError

pytestmark = pytest.mark.core

TEXT = tiny_models.ids(8)
SHORT = [20, 21, 22, 23, 24]


def logits(hf_model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return hf_model(torch.tensor([ids])).logits[0]


def patched_outputs(model: attnscope.Model, family: str, source: list[int], at: dict[int, int]) -> torch.Tensor:
    """Logits with the output of head 1.2 at at[i] of the source put into query i."""
    path = W_O[family].format(1)
    found = read_by(model.hf_model, path, source)
    part = slice(found.shape[-1] // 2, found.shape[-1] // 4 * 3)

    def put(_module, args):
        changed = args[0].clone()
        for here, there in at.items():
            changed[0, here, part] = found[0, there, part]
        return (changed,)

    hook = model.hf_model.get_submodule(path).register_forward_pre_hook(put)
    expected = logits(model.hf_model, TEXT)
    hook.remove()
    return expected


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize(
    ("position", "source_position", "at"),
    [
        (3, None, {3: 3}),
        ([2, 4], None, {2: 2, 4: 4}),
        (range(5, 8), [0, 2, 4], {5: 0, 6: 2, 7: 4}),
        ([1, 6], 4, {1: 4, 6: 4}),
    ],
)
def test_outputs_come_from_queries_of_a_source_of_another_length(family, position, source_position, at):
    model = attnscope.Model(tiny_models.build(family))
    edit = edits.PatchHead(1, 2, model.trace(SHORT), what="output", position=position, source_position=source_position)
    trace = model.trace(TEXT, edits=[edit])
    assert torch.allclose(trace.logits, patched_outputs(model, family, SHORT, at), atol=1e-5)
    own, source = model.trace(TEXT).head_output(1, 2), model.trace(SHORT).head_output(1, 2)
    shown = trace.head_output(1, 2)
    for query in range(8):
        assert torch.allclose(shown[query], source[at[query]] if query in at else own[query], atol=1e-5)
    assert model.check(trace).ok


def test_attention_is_patched_at_some_queries():
    model = attnscope.Model(tiny_models.build("llama"))
    other = model.trace([*TEXT[:2], 30, 31, *TEXT[4:]])
    own = model.trace(TEXT).attention(1, 2)
    trace = model.trace(TEXT, edits=[edits.PatchHead(1, 2, other, position=[4, 6], source_position=[6, 6])])
    shown = trace.attention(1, 2)
    for query in range(8):
        wanted = other.attention(1, 2)[6] if query in (4, 6) else own[query]
        assert torch.allclose(shown[query], wanted, atol=1e-6)
    mixed = [edits.CutEdge(1, 2, 5, 0), edits.PatchHead(1, 2, other, position=6)]
    both = model.trace(TEXT, edits=mixed).attention(1, 2)
    assert float(both[5, 0]) == 0 and torch.allclose(both[6], other.attention(1, 2)[6], atol=1e-6)
    assert torch.allclose(both[7], own[7], atol=1e-6)
    with pytest.raises(InputError, match="weights belong to other tokens"):
        model.trace(TEXT, edits=[edits.PatchHead(1, 2, model.trace(SHORT), position=3)])


@pytest.mark.parametrize("what", ["attention", "output"])
def test_a_text_patched_with_itself_at_a_position_is_unchanged_exactly(what):
    model = attnscope.Model(tiny_models.build("llama"))
    trace = model.trace(TEXT)
    again = model.trace(TEXT, edits=[edits.PatchHead(1, 2, trace, what=what, position=[3, 5])])
    assert torch.equal(trace.logits, again.logits)


@pytest.mark.parametrize("vector", ["q", "k", "v"])
def test_neurons_are_scaled_at_some_positions_only(vector):
    model = attnscope.Model(tiny_models.build("gpt2"))
    trace = model.trace(TEXT, edits=[edits.ScaleNeuron(1, 2, [1, 3], -2.0, vector=vector, position=[2, 5])])
    attention = model.hf_model.transformer.h[1].attn.c_attn
    width = 32 // 4
    columns = torch.tensor([1, 3]) + "qkv".index(vector) * 32 + 2 * width

    def scale(_module, _args, output):
        changed = output.clone()
        for at in (2, 5):
            changed[0, at, columns] *= -2.0
        return changed

    hook = attention.register_forward_hook(scale)
    expected = logits(model.hf_model, TEXT)
    hook.remove()
    assert torch.allclose(trace.logits, expected, atol=1e-5)
    assert not torch.allclose(trace.logits, logits(model.hf_model, TEXT), atol=1e-6)


def test_positions_hold_in_generation():
    model = attnscope.Model(tiny_models.build("llama"))
    made = [edits.ScaleNeuron(1, 2, [0, 4], 5.0, vector="k", position=2)]
    ids = model.generate(TEXT, max_new_tokens=4, edits=made).tokens
    text = list(TEXT)
    for token in ids:
        assert int(model.trace(text, edits=made).logits[-1].argmax()) == token.id
        text.append(token.id)


def test_words_are_looked_up_in_the_text_and_in_the_source(smollm2):
    source = smollm2.trace("The nurse said")
    text = "Then the anaesthesiologist said"
    edit = edits.PatchHead(3, 1, source, what="output", position="said")
    trace = smollm2.trace(text, edits=[edit])
    made = trace.edits[0]
    assert (made.position, made.source_position) == (trace.find("said")[0], 2)
    span = edits.PatchHead(3, 1, source, what="output", position="anaesthesiologist", source_position="nurse")
    found = smollm2.trace(text, edits=[span])
    assert torch.allclose(
        found.head_output(3, 1)[list(found.find("anaesthesiologist"))[-1]], source.head_output(3, 1)[1], atol=1e-4
    )
    with pytest.raises(InputError, match='"nurse" is not a word of the text'):
        smollm2.trace(text, edits=[edits.ScaleNeuron(3, 1, 0, 0.0, position="nurse")])


def test_json_both_ways():
    source = attnscope.Model(tiny_models.build("gpt2")).trace(TEXT)
    made = [
        edits.PatchHead(1, 2, source, what="output", position=("the", 2), source_position=[1, 2]),
        edits.ScaleNeuron(1, 2, [1], 0.5, position="nurse"),
        edits.ScaleNeuron(1, 2, [1], 0.5),
        edits.AddVector(1, None, [1.0]),
    ]
    assert edits.from_json(edits.to_json(made), traces=[source]) == made
    assert "position" not in made[2].as_json() and made[3].as_json()["position"] is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"source_position": 2}, "needs `position`"),
        ({"position": [1, 2, 3], "source_position": [1, 2]}, "patches 3 queries from 2"),
        ({"position": 1, "source_position": 5}, "takes query 5 of its source, which has queries 0 to 4"),
        ({"position": 8}, "position 8: positions go from 0 to 7"),
        ({"position": 1, "source_position": "nurse"}, "an array has no words"),
    ],
)
def test_invalid_positions_raise(fields, said):
    model = attnscope.Model(tiny_models.build("gpt2"))
    with pytest.raises(InputError, match=said):
        model.trace(TEXT, edits=[edits.PatchHead(1, 2, torch.zeros(5, 8), what="output", **fields)])


def test_a_neuron_at_a_position_cannot_be_baked():
    with pytest.raises(UnsupportedError, match="acts only at some positions"):
        attnscope.Model(tiny_models.build("gpt2")).bake([edits.ScaleNeuron(1, 2, [1], 0.5, position=2)])
