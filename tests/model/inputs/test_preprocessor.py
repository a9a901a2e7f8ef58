"""The kind of an input is decided once, and encoded inputs give the same trace as the text itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from helpers.tiny_models import build, ids, whisper
from helpers.tiny_vision_models import VISION, clip_processor, random_photo

from attnscope import Model
from attnscope.errors import InputError
from attnscope.model.inputs.trace_input import TraceInput
from attnscope.model.model import handle_of

CHAT = [{"role": "user", "content": "Name a color."}]


def kinds(model: Model, given: Any, **more: Any) -> Any:
    found = handle_of(model).preprocessor.read_input(given, **more)
    return found.kind if isinstance(found, TraceInput) else [one.kind for one in found]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("a text", "text"),
        (CHAT, "chat"),
        ([101, 102], "ids"),
        ([], "ids"),
        (np.array([101, 102]), "tensors"),
        (torch.tensor([[101, 102]]), "tensors"),
        ({"input_ids": [101, 102]}, "tensors"),
        ({"hidden_states": torch.zeros(1, 2, 3)}, "features"),
        (random_photo(), "images"),
        (Path("photo.png"), "images"),
        ({"pixel_values": torch.zeros(1, 3, 4, 4)}, "image tensors"),
        (3, "unknown"),
        (["one", "two"], ["text", "text"]),
        ({"input_ids": [[1, 2], [3, 4]]}, ["tensors", "tensors"]),
        ([random_photo(), random_photo()], ["images", "images"]),
    ],
)
def test_the_kind_of_an_input_follows_from_its_type(smollm2: Model, given: Any, kind: Any) -> None:
    assert kinds(smollm2, given) == kind


def test_text_with_images_and_audio_are_separate_kinds(smollm2: Model) -> None:
    assert kinds(smollm2, "What is this?", image=random_photo()) == "images in text"
    assert kinds(Model(whisper()), np.zeros(100, np.float32)) == "audio"


def test_encoded_inputs_give_the_trace_of_the_text_itself(smollm2: Model, minilm: Model) -> None:
    for model, given, more in (
        (smollm2, "the cat sat", {}),
        (smollm2, CHAT, {}),
        (smollm2, ids(5), {}),
        (smollm2, "one two three four five six", {"max_tokens": 3}),
        (minilm, "the cat sat", {"pair": "it slept"}),
    ):
        encoded, trace = model.encode(given, **more), model.trace(given, **more)
        again = model.trace(encoded)
        assert again.id == trace.id
        assert again.warnings == trace.warnings
        assert again.provenance["text"] == trace.provenance["text"]
        assert model.count_tokens(encoded) == model.count_tokens(given, **more) == len(trace.tokens)


def test_an_encoder_decoder_writes_its_own_target_for_encoded_inputs_too() -> None:
    model = Model(build("t5"))
    for target in (None, ids(4)):
        encoded = model.encode(ids(6), target=target)
        assert model.trace(encoded).id == model.trace(ids(6), target=target).id
    assert model.encode(ids(6)).target_tokens is None  # the model has not run yet


def test_generation_states_and_patches_take_encoded_inputs(smollm2: Model) -> None:
    prompt = smollm2.encode("The capital of France is")
    made, own = smollm2.generate(prompt, 2), smollm2.generate("The capital of France is", 2)
    assert (made.text, made.trace.id) == (own.text, own.trace.id)
    assert torch.equal(smollm2.states(prompt).norms, smollm2.states("The capital of France is").norms)
    other = smollm2.encode("The capital of Spain is")
    found = smollm2.patch(prompt, other, layers=[9], heads=[4])
    assert torch.equal(
        found.values,
        smollm2.patch("The capital of France is", "The capital of Spain is", layers=[9], heads=[4]).values,
    )


def test_a_batch_cannot_be_encoded_as_one_input(minilm: Model) -> None:
    with pytest.raises(InputError, match="Pass a single text; got a list of 2"):
        minilm.encode(["cat", "dog"])


def test_an_image_is_encoded_once_and_counted_before_anything_runs() -> None:
    model = Model(transformers.ViTModel(transformers.ViTConfig(**VISION)).eval(), clip_processor())
    encoded = model.encode(random_photo())
    assert model.count_tokens(encoded) == len(model.trace(encoded).tokens) == len(model.trace(random_photo()).tokens)
