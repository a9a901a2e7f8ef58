"""What a trace says that can be changed can be changed, and what it says that cannot be changed cannot."""

from __future__ import annotations

import peft
import pytest
import transformers
from helpers import tiny_models
from helpers.session_requests import ask

import attnscope
from attnscope.edits import CutEdge, Edit, ScaleHead, ScaleNeuron, SetAttention
from attnscope.errors import UnsupportedError
from attnscope.session import ModelEntry, Session, StoredTrace

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21

PROMPT = tiny_models.ids(7)
PLACES = ("head", "line", "weight", "neuron", "pair")


def edits_in(stack: str) -> dict[str, Edit]:
    return {
        "head": ScaleHead(1, 1, 0.5, stack=stack),
        "line": CutEdge(1, 1, 2, 1, stack=stack),
        "weight": SetAttention(1, 1, 2, 1, 0.5, stack=stack),
        "neuron": ScaleNeuron(1, 1, 0, 0.5, stack=stack),
    }


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "deepseek_v3", "t5", "bart", "bloom", "gptj", "mpt"])
def test_everything_that_can_be_changed_changes_and_nothing_else_does(family: str) -> None:
    model = attnscope.Model(tiny_models.build(family))
    options = {"target": tiny_models.ids(4)} if model.kind == "encoder-decoder" else {}
    trace = model.trace(PROMPT, **options)
    changes = model.changes(trace)
    assert list(changes) == list(trace.stacks)
    for stack, found in changes.items():
        for place, edit in edits_in(stack).items():
            why = getattr(found, place)
            if why is None:
                assert model.trace(PROMPT, edits=[edit], **options).id != trace.id
            else:
                with pytest.raises(UnsupportedError) as error:
                    model.trace(PROMPT, edits=[edit], **options)
                assert str(error.value) == why
        rotates = any(trace.rotary(layer, stack) for layer in range(trace.stacks[stack].layers))
        assert (found.pair is None) == (rotates and found.head is None)
    outside = family in tiny_models.OUTSIDE_INTERFACE
    assert all((one.head is not None) == outside for one in changes.values())


def test_prefix_tuning_leaves_nothing_to_change() -> None:
    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    model = attnscope.Model(peft.get_peft_model(tiny_models.build("llama"), config).eval())
    found = model.changes(model.trace(PROMPT))["decoder"]
    with pytest.raises(UnsupportedError) as error:
        model.trace(PROMPT, edits=[ScaleHead(1, 1, 0.5)])
    assert {getattr(found, place) for place in PLACES} == {str(error.value)}


def test_the_trace_response_says_what_can_be_changed_if_there_is_a_model() -> None:
    model = attnscope.Model(tiny_models.build("gpt2"), tiny_models.words_tokenizer(), name="tiny")
    session = Session([ModelEntry.loaded(model)], traces=[StoredTrace.without_model(model.trace("a b"))])
    live = ask(session, type="run", text="a b c")[-1].body["stacks"]["decoder"]["changes"]
    assert list(live) == list(PLACES)
    assert [live[place] for place in PLACES[:4]] == [None] * 4 and "no pairs to change" in live["pair"]
    saved = ask(session, type="trace", trace=ask(session, type="hello")[-1].body["trace"])[-1].body
    assert "changes" not in saved["stacks"]["decoder"]


def test_what_bake_refuses_is_known_before() -> None:
    model = attnscope.Model(transformers.AutoModelForCausalLM.from_config(tiny_models.build("qwen3").config).eval())
    edits = [ScaleHead(1, 1, 0.5), CutEdge(1, 1, 2, 1), ScaleNeuron(1, 1, (0, 8), 0.5), ScaleNeuron(1, 1, 0, 0.5, "v")]
    problems = model.bake_problems(edits, model.trace(PROMPT))
    for edit, problem in zip(edits, problems, strict=True):
        if problem is None:
            assert model.bake([edit]) is not model.hf_model
        else:
            with pytest.raises(UnsupportedError) as error:
                model.bake([edit])
            assert str(error.value) == problem
    assert [problem is None for problem in problems] == [True, False, False, True]
