"""`Model` is a facade: it exposes its public API and none of its parts."""

from __future__ import annotations

import pytest

from attnscope import Model, Trace
from attnscope.display import Displayed
from attnscope.testing import FakeModel

API = {
    "attribution_patch", "bake", "chat", "check", "control", "count_tokens", "dtype", "edited", "effect", "effects", "encode",
    "generate", "head_importance", "hf_model", "kind", "max_tokens", "mediate", "module", "name", "parameters", "patch",
    "processor", "quantization", "revision", "stacks", "states", "takes", "title", "tokenizer", "trace", "value_zeroing",
}  # fmt: skip
DEPRECATED = {"check_trace", "count_positions", "quantisation"}


def test_a_model_offers_its_public_api_and_none_of_its_parts(minilm: Model) -> None:
    assert {name for name in dir(Model) if not name.startswith("_")} == API | DEPRECATED
    assert not [name for name in vars(minilm) if not name.startswith("_")]


def test_a_model_is_composed_and_inherits_only_how_it_is_displayed() -> None:
    assert Model.__bases__ == (Displayed,)


def test_old_names_work_for_one_release_and_warn(minilm: Model) -> None:
    trace = minilm.trace("the cat sat")
    with pytest.warns(FutureWarning, match=r"`Model.quantisation` is deprecated .* use `quantization`"):
        assert minilm.quantisation == minilm.quantization
    with pytest.warns(FutureWarning, match=r"use `Model.check\(trace\)`"):
        assert minilm.check_trace(trace) == minilm.check(trace)
    with pytest.warns(FutureWarning, match="`quantization=`"):
        assert Model(minilm.hf_model, minilm.tokenizer, quantisation="int8").quantization == "int8"
    with pytest.raises(TypeError, match="twice"):
        Model(minilm.hf_model, minilm.tokenizer, quantisation="int8", quantization="int8")


def test_a_trace_is_checked_as_its_text_is(minilm: Model) -> None:
    text = "the cat sat on the mat"
    assert minilm.check(minilm.trace(text)) == minilm.check(text)
    assert isinstance(trace := FakeModel().trace(text), Trace) and FakeModel().check(trace).ok
