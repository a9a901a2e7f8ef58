"""The controls that are offered are those that can be run, with as many draws, and a trace brings its own edits."""

from __future__ import annotations

import pytest
from helpers import tiny_models

import attnscope
from attnscope.edits import AddVector, CutEdge, PatchHead, ScaleHead, ScaleNeuron, SetAttention
from attnscope.errors import InputError

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(10)
VECTOR = [1.0, -2.0] * 16


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([ScaleHead(1, 2, 0.0)], {"heads": "3 other heads of layer 1"}),
        ([ScaleHead(layer, 0, 0.0) for layer in range(3)], {"heads": "20 choices of other heads of layers 0, 1 and 2"}),
        ([CutEdge(1, 2, 8, 3)], {"heads": "3 other heads of layer 1", "keys": "7 other keys"}),
        (
            [SetAttention(1, 2, 8, (3, 4), 0.5)],
            {"heads": "3 other heads of layer 1", "keys": "4 other spans of 2 keys"},
        ),
        (
            [ScaleNeuron(1, 2, (0, 4), 0.0)],
            {"heads": "3 other heads of layer 1", "pairs": "3 other pairs of dimensions of head 1.2"},
        ),
        (
            [ScaleNeuron(1, 2, 0, 0.0, "k")],
            {"heads": "1 other group of heads of layer 1", "pairs": "7 other dimensions of head 1.2"},
        ),
        ([AddVector(1, 3, VECTOR)], {"vectors": "20 random vectors of the same norm"}),
    ],
)
def test_each_kind_that_is_offered_runs_with_as_many_draws(llama, edits, words):
    trace = llama.trace(PROMPT, edits=edits)
    found = llama.control_kinds(trace)
    assert found == llama.control_kinds(PROMPT, edits)
    assert found.none is None
    assert {one.over: one.words for one in found.kinds} == words
    for one in found.kinds:
        more = llama.control(PROMPT, edits, over=one.over, answer=5, draws=28)
        assert len(llama.control(PROMPT, edits, over=one.over, answer=5).values) == one.draws
        assert one.every == (len(more.values) <= one.draws)


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ([], "There are no edits"),
        ([AddVector(1, 3, VECTOR), ScaleHead(1, 0, 0.0)], "No control fits all of these edits"),
        ([ScaleHead(1, head, 0.0) for head in range(4)], "layer 1 has 4 heads, of which the edits change 4"),
    ],
)
def test_without_a_control_there_is_the_reason(llama, edits, sentence):
    found = llama.control_kinds(llama.trace(PROMPT, edits=edits))
    assert found.kinds == () and found.none is not None and sentence in found.none


def test_the_edits_of_a_trace_are_the_default(llama):
    edits = [ScaleHead(1, 2, 0.0), CutEdge(1, 2, 8, 3)]
    trace = llama.trace(PROMPT, edits=edits)
    control, wanted = llama.control(trace, answer=5), llama.control(PROMPT, edits, answer=5)
    assert control.values.tolist() == wanted.values.tolist()
    assert (control.before, control.after, control.variants) == (wanted.before, wanted.after, wanted.variants)
    effect = llama.effect(trace, answer=5)
    assert effect.before == pytest.approx(wanted.before, abs=1e-6) and effect.after == pytest.approx(
        wanted.after, abs=1e-6
    )
    keys = llama.control(llama.trace(PROMPT, edits=edits[1:]), answer=5, over="keys")
    assert keys.where == llama.control(PROMPT, edits[1:], answer=5, over="keys").where
    with pytest.raises(InputError, match="or a trace that was made with edits"):
        llama.control(PROMPT, answer=5)
    with pytest.raises(InputError, match="measured against an unedited pass"):
        llama.control(trace, edits, answer=5)


def test_the_probabilities_of_tokens_are_those_of_each_control(llama):
    control = llama.control(PROMPT, [ScaleHead(1, 2, 0.0)], answer=5, tokens=[5, 40, 7])
    assert control.tokens == (5, 40, 7) and control.total == 3
    assert control.probabilities.shape == (3, 3)
    for edits, row in zip(control.variants, control.probabilities.tolist(), strict=True):
        wanted = llama.trace(PROMPT, edits=edits).logits[-1].double().softmax(-1)[[5, 40, 7]]
        assert row == pytest.approx(wanted.tolist(), abs=1e-7)
    assert llama.control(PROMPT, [ScaleHead(1, 2, 0.0)], answer=5).probabilities.shape == (3, 0)
    for wrong in ([99], ["a"], "ab", [True], 5):
        with pytest.raises(InputError, match="`tokens` must be a list of token ids from 0 to 98"):
            llama.control(PROMPT, [ScaleHead(1, 2, 0.0)], answer=5, tokens=wrong)


def test_the_edits_of_a_generated_trace_fit_its_prompt(llama):
    source = llama.trace(tiny_models.ids(12)[2:])
    edits = [PatchHead(1, 2, source, "output"), PatchHead(2, 1, source)]
    made = llama.generate(PROMPT, 3, edits)
    control = llama.control(made.trace, answer=5)
    wanted = made.trace.logits[-1].double().log_softmax(-1)[5]
    assert control.after == pytest.approx(float(wanted), abs=1e-5)
    assert llama.check(made.trace).ok
