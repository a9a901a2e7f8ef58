"""A generation that continues a trace is the same as a longer one from the prompt."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.edits import AddVector, CutEdge, PatchHead, ScaleHead, ScaleNeuron
from attnscope.errors import InputError

CHAT = [{"role": "user", "content": "Hi, who are you?"}]
TEXT = "The capital of France is the city of"


def ids(trace: attnscope.Trace, side: str | None = None) -> list[int]:
    return [token.id for token in (trace.tokens if side is None else trace.sides[side])]


@pytest.mark.parametrize("edited", [False, True])
def test_five_tokens_and_five_more_are_ten(smollm2, edited):
    source = smollm2.trace("The capital of Spain is the city of")
    edits = [
        ScaleHead(5, 2, 0.0),
        CutEdge(3, 1, "city", "capital"),
        PatchHead(10, 2, source),
        PatchHead(12, 2, source, "output"),
        ScaleNeuron(20, 3, (1, 33), 3.0),
    ]
    chosen = edits if edited else []
    ten, five = smollm2.generate(TEXT, 10, chosen), smollm2.generate(TEXT, 5, chosen)
    more = smollm2.generate(five.trace, 5)
    assert five.text + more.text == ten.text
    assert ids(more.trace) == ids(ten.trace)
    assert more.trace.edits == ten.trace.edits and bool(more.trace.edits) == edited
    assert more.trace.certificate.ok
    for layer in (0, 12, 29):
        torch.testing.assert_close(more.trace.attention(layer, 3), ten.trace.attention(layer, 3), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(more.trace.logits, ten.trace.logits, atol=1e-3, rtol=1e-3)
    assert more.trace.warnings == ten.trace.warnings
    again = smollm2.generate(more.trace, 2)
    assert again.trace.provenance["generated"]["continues"]["continues"]["prompt"] == 8
    assert smollm2.check(more.trace).ok


def test_other_edits_may_continue_a_trace(smollm2):
    five = smollm2.generate(TEXT, 5, [ScaleHead(5, 2, 0.0)])
    without = smollm2.generate(five.trace, 2, [])
    assert without.trace.edits == []
    alone = smollm2.generate(ids(five.trace), 2)
    assert ids(without.trace) == ids(alone.trace)


def test_a_chat_is_continued_within_its_answer(smollm2):
    twelve, six = smollm2.generate(CHAT, 12), smollm2.generate(CHAT, 6)
    more = smollm2.generate(six.trace, 6)
    assert ids(more.trace) == ids(twelve.trace)
    assert [token.role for token in more.trace.tokens] == [token.role for token in twelve.trace.tokens]
    assert more.trace.provenance["messages"] == CHAT


def test_a_trace_that_was_not_generated_is_continued(smollm2):
    assert ids(smollm2.generate(smollm2.trace(TEXT), 4).trace) == ids(smollm2.generate(TEXT, 4).trace)


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_the_target_of_an_encoder_decoder_model_is_continued(family):
    model = attnscope.Model(tiny_models.build(family))
    source, target = tiny_models.ids(6), tiny_models.ids(3)
    edits = [ScaleHead(1, 1, 0.0, stack="cross"), AddVector(0, 2, torch.ones(32), stack="encoder")]
    six, three = (model.generate(source, count, edits, target=target) for count in (6, 3))
    more = model.generate(three.trace, 3)
    if three.stopped == six.stopped == "length":
        assert ids(more.trace, "target") == ids(six.trace, "target")
        torch.testing.assert_close(more.trace.logits, six.trace.logits, atol=1e-4, rtol=1e-3)
    assert ids(more.trace, "source") == source


@pytest.mark.parametrize("family", ["bloom", "gptj"])
def test_a_model_outside_the_interface_is_continued_too(family):
    model = attnscope.Model(tiny_models.build(family))
    six, three = (model.generate(tiny_models.ids(5), count) for count in (6, 3))
    more = model.generate(three.trace, 3)
    assert ids(more.trace) == ids(six.trace)
    assert more.trace.warnings == six.trace.warnings


def test_a_trace_of_another_model_is_not_continued(smollm2):
    other = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())
    with pytest.raises(InputError, match="made by a model with other weights"):
        smollm2.generate(other.trace("a b"), 2)
    with pytest.raises(InputError, match="no model inputs"):
        smollm2.generate(attnscope.Trace.from_attention([torch.eye(2).expand(1, 2, 2, 2)], ["a", "b"]), 2)
