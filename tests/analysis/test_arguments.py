"""Every function of `attnscope.analysis` says what it needs where it gets something else."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import analysis
from attnscope.errors import InputError

pytestmark = pytest.mark.core

OF_TRACES = {
    "heads": (),
    "edge": (1, 0),
    "similarity": (),
    "value_weighted": (0, 0),
    "decay": (0, 0),
    "decays": (),
    "match": ("previous",),
    "rollout": (),
}


@pytest.fixture(scope="module")
def model() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())


def test_every_public_function_is_covered() -> None:
    others = {"MEASURES", "Decay", "Measure", "measures", "output_norms", "patterns", "value_norms", "variability"}
    assert set(analysis.__all__) - others == {"difference", *OF_TRACES}


@pytest.mark.parametrize("name", OF_TRACES)
def test_what_is_not_a_trace_is_refused_with_what_to_do(name: str, model: attnscope.Model) -> None:
    trace = model.trace("a b c d e f g h")
    for value, sentence in (
        ([trace, trace], rf"got a list of 2\. Call it for each trace: `\[analysis\.{name}\(trace"),
        ("She asked the nurse", r"got str\. Trace a text first: `trace = model\.trace\(text\)`"),
        (model, r"got Model\. Trace a text first"),
        (None, r"got None\. Make one with `model\.trace\(text\)`"),
        (torch.ones(2, 2), r"got Tensor\. Make one .*`Trace\.from_attention`"),
    ):
        with pytest.raises(InputError, match=rf"`analysis\.{name}` needs a Trace; {sentence}"):
            getattr(analysis, name)(value, *OF_TRACES[name])
    with pytest.raises(InputError, match="there is no stack 'encoder'"):
        getattr(analysis, name)(trace, *OF_TRACES[name], stack="encoder")


def test_words_name_the_positions_of_an_edge(model: attnscope.Model) -> None:
    trace = model.trace("a b c d a")
    assert analysis.edge(trace, "d", "b").equals(analysis.edge(trace, 3, 1))
    assert analysis.edge(trace, ("a", 2), "c").equals(analysis.edge(trace, 4, 2))
    with pytest.raises(InputError, match='"nurse" is not a word of the text'):
        analysis.edge(trace, "d", "nurse")


@pytest.mark.parametrize("queries", ["x", 0, -1, 1.5, True])
def test_the_number_of_queries_is_checked(queries, model: attnscope.Model) -> None:
    with pytest.raises(InputError, match="`queries` must be a whole number"):
        analysis.similarity(model.trace("a b c"), queries=queries)


@pytest.mark.parametrize("furthest", ["x", 0, 1.5, True, 99])
def test_the_furthest_distance_is_checked(furthest, model: attnscope.Model) -> None:
    trace = model.trace("a b c d e f g h")
    for call in (
        lambda: analysis.decays(trace, furthest=furthest),
        lambda: analysis.decay(trace, 0, 0, furthest=furthest),
    ):
        with pytest.raises(InputError, match="`furthest` must be at least 3"):
            call()


@pytest.mark.parametrize("function", [analysis.output_norms, analysis.value_norms])
def test_norms_name_the_record_that_they_need(function, model: attnscope.Model) -> None:
    trace = model.trace("a b c")
    with pytest.raises(InputError, match=r"needs the record of a layer.*got Trace and int.*value_weighted"):
        function(trace, 0)
    assert function(trace.layer_record(0), trace.traced_stack().projections[0]).shape[0] == 4
