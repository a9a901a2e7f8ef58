"""`Model` is a facade: it exposes its public API and none of its parts."""

from __future__ import annotations

from attnscope import Model
from attnscope.display import Displayed

API = {
    "bake", "chat", "check", "check_trace", "count_positions", "count_tokens", "dtype", "edited", "encode", "generate",
    "hf_model", "kind", "max_tokens", "mediate", "module", "name", "parameters", "patch", "processor", "quantization",
    "revision", "stacks", "states", "takes", "title", "tokenizer", "trace",
}  # fmt: skip


def test_a_model_offers_its_public_api_and_the_handle_of_its_parts(minilm: Model) -> None:
    assert {name for name in dir(minilm) if not name.startswith("_")} == API | {"handle"}


def test_a_model_is_composed_and_inherits_only_how_it_is_displayed() -> None:
    assert Model.__bases__ == (Displayed,)
