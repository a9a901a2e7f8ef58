"""Images in requests: the bytes of the file are a tensor, and limits are checked first."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import transformers as tf
from helpers.tiny_vision_models import llava_with_processor
from PIL import Image

import attnscope
from attnscope import edits
from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import Message, decode, encode


def _run(session: Session, data: bytes, **fields: object) -> Message:
    answers: list[Message] = []
    request = Message("run", "1", fields, {"image": np.frombuffer(data, np.uint8)})
    session.respond(encode(request), lambda answer: answers.append(decode(answer)))
    return answers[-1]


def _png(width: int = 32, height: int = 32) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 40, 90)).save(file, "PNG")
    return file.getvalue()


def _model() -> attnscope.Model:
    config = tf.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    processor = tf.ViTImageProcessorPil(size={"height": 32, "width": 32})
    return attnscope.Model(tf.ViTModel(config).eval(), processor, name="eyes")


def test_a_run_with_an_image_returns_its_patches_and_the_image() -> None:
    session = Session([ModelEntry.loaded(_model())])
    answer = _run(session, _png())
    assert answer.type == "trace"
    tokens = answer.body["tokens"]["text"]
    assert tokens[0]["text"] == "[CLS]"
    assert tokens[1]["box"] == [0, 0, 8, 8]
    assert answer.body["images"] == [{"width": 32, "height": 32}]
    shown = Image.open(io.BytesIO(answer.tensors["image_0"].tobytes()))
    assert np.abs(np.asarray(shown, dtype=int) - (200, 40, 90)).max() <= 1


def test_images_that_are_too_large_invalid_or_unsupported_are_errors() -> None:
    session = Session([ModelEntry.loaded(_model())], limits=Limits(image_bytes=1000))
    large = _run(session, b"x" * 1001)
    assert (large.body["code"], "1,001 bytes" in large.body["message"]) == ("too_large", True)
    assert "not an image in PNG" in _run(session, b"<svg/>").body["message"]
    assert "not text" in _run(session, _png(), text="hello").body["message"]
    answers: list[Message] = []
    session.respond(encode(Message("run", "2", {"text": "/etc/hostname"})), lambda a: answers.append(decode(a)))
    assert "Choose an image" in answers[-1].body["message"]
    texts = Session([ModelEntry.loaded(FakeModel())])
    assert "not images" in _run(texts, _png()).body["message"]


@pytest.fixture(scope="module")
def llava() -> attnscope.Model:
    return attnscope.Model(*llava_with_processor(), name="llava")


def _ask(model: attnscope.Model, kind: str, images: dict[str, bytes], **fields: object) -> list[Message]:
    answers: list[Message] = []
    tensors = {name: np.frombuffer(data, np.uint8) for name, data in images.items()}
    session = Session([ModelEntry.loaded(model)])
    session.respond(encode(Message(kind, "1", fields, tensors)), lambda answer: answers.append(decode(answer)))
    return answers


def test_a_run_with_an_image_honors_its_edits(llava: attnscope.Model) -> None:
    cut = {"type": "CutEdge", "layer": 1, "head": 2, "query": 19, "key": 3, "stack": "decoder"}
    (answer,) = (
        one for one in _ask(llava, "run", {"image": _png()}, text="what is this ?", edits=[cut]) if one.type == "trace"
    )
    assert answer.body["edits"] == [cut]
    assert [token["text"] for token in answer.body["tokens"]["text"][:17]] == [
        *(f"patch {row},{column}" for row in range(4) for column in range(4)),
        "what",
    ]
    expected = llava.trace(
        "what is this ?", image=_png(), edits=[edits.CutEdge(1, 2, query=19, key=3, stack="decoder")]
    )
    assert expected.attention(1, 2, "decoder")[19, 3] == 0
    assert answer.body["trace"] == expected.id
    probability = answer.body["next"][0]["probability"]
    with torch.no_grad():
        plain = torch.softmax(llava.hf_model(**expected.inputs).logits[0, -1], dim=-1).max()
    assert probability == pytest.approx(expected.next_tokens[0][2])  # pyright: ignore[reportOptionalSubscript]
    assert abs(probability - float(plain)) > 1e-6


def test_an_edit_that_does_not_fit_the_image_is_an_error(llava: attnscope.Model) -> None:
    cut = {"type": "CutEdge", "layer": 1, "head": 2, "query": 99, "key": 3}
    answer = _ask(llava, "run", {"image": _png()}, text="what", edits=[cut])[-1]
    assert (answer.type, answer.body["code"]) == ("error", "bad_request")


def test_generate_continues_a_text_with_an_image(llava: attnscope.Model) -> None:
    answers = _ask(llava, "generate", {"image": _png()}, text="what is this ?", max_new_tokens=3)
    tokens = [one.body["token"]["id"] for one in answers if one.type == "token"]
    inputs = llava.encode("what is this ?", image=_png()).inputs
    with torch.no_grad():
        own = llava.hf_model.generate(**inputs, do_sample=False, max_new_tokens=3)[0].tolist()
    assert tokens == own[20:]
    last = answers[-1]
    assert last.type == "trace"
    assert last.body["generation"]["prompt"] == 20
    assert last.body["images"] == [{"width": 32, "height": 32}]
    assert last.body["tokens"]["text"][5]["box"] == [8, 8, 16, 16]
    assert "box" not in last.body["tokens"]["text"][20]
    assert last.body["input"]["text"] == "what is this ?"


def test_patch_takes_an_image_for_each_prompt(llava: attnscope.Model) -> None:
    other = io.BytesIO()
    Image.new("RGB", (32, 32), (0, 200, 30)).save(other, "PNG")
    prompts = {"clean": "what is this ?", "corrupted": "what is this ?"}
    answer = _ask(
        llava, "patch", {"image": _png(), "corrupted_image": other.getvalue()}, **prompts, what="residual", by="layer"
    )[-1]
    assert answer.type == "patch"
    assert answer.tensors["values"][-1, 0] == pytest.approx(answer.body["clean"], abs=1e-5)
    same = _ask(llava, "patch", {"image": _png()}, **prompts, what="residual", by="layer")[-1]
    assert same.tensors["unchanged"].all()


def test_states_of_an_image_trace_are_those_of_the_model(llava: attnscope.Model) -> None:
    session = Session([ModelEntry.loaded(llava)])
    trace = _run(session, _png(), text="what is this ?").body["trace"]
    answers: list[Message] = []
    session.respond(encode(Message("states", "2", {"trace": trace, "top": 1})), lambda one: answers.append(decode(one)))
    assert answers[-1].type == "states"
    with torch.no_grad():
        logits = llava.hf_model(**llava.encode("what is this ?", image=_png()).inputs).logits[0]
    assert answers[-1].tensors["top"][-1, :, 0].tolist() == logits.argmax(-1).tolist()


@pytest.mark.parametrize("kind", ["generate", "patch"])
def test_images_that_cannot_be_used_are_errors_of_every_request(kind: str) -> None:
    texts = Session([ModelEntry.loaded(FakeModel())])
    prompt = {"text": "a"} if kind == "generate" else {"clean": "a", "corrupted": "b"}
    for data, sentence in ((_png(), "not images"), (b"<svg/>", "not an image in PNG")):
        answers: list[Message] = []
        request = Message(kind, "1", prompt, {"image": np.frombuffer(data, np.uint8)})
        texts.respond(encode(request), lambda one, into=answers: into.append(decode(one)))
        assert sentence in answers[-1].body["message"]
    answer = _ask(_model(), kind, {})
    assert answer[-1].type == "error"
