"""Images in requests: the bytes of the file are a tensor, and limits are checked first."""

from __future__ import annotations

import io

import numpy as np
import transformers as tf
from PIL import Image

import attnscope
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
