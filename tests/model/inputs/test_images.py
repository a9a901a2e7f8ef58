"""Images: patches have the right boxes, attention equals the model's own, and invalid images raise."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from helpers.tiny_vision_models import TEXT, VISION, clip_processor, random_photo
from PIL import Image

import attnscope
from attnscope.errors import DamagedError, InputError, MissingError, TooLongError, UnsupportedError
from attnscope.model.inputs.images import open_image

pytestmark = pytest.mark.core

_DINO = {name: value for name, value in VISION.items() if name != "intermediate_size"}

MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "vit": (lambda: tf.ViTModel(tf.ViTConfig(**VISION)), ["[CLS]"]),
    "deit": (lambda: tf.DeiTModel(tf.DeiTConfig(**VISION)), ["[CLS]", "[DIST]"]),
    "dinov2": (lambda: tf.Dinov2Model(tf.Dinov2Config(**_DINO)), ["[CLS]"]),
    "dinov2-registers": (
        lambda: tf.Dinov2WithRegistersModel(tf.Dinov2WithRegistersConfig(**_DINO)),
        ["[CLS]", "[REG 1]", "[REG 2]", "[REG 3]", "[REG 4]"],
    ),
    "clip": (lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**VISION)), ["[CLS]"]),
    "siglip": (lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**VISION)), []),
    "beit": (lambda: tf.BeitModel(tf.BeitConfig(**VISION, use_relative_position_bias=True)), ["[CLS]"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_attention_over_patches_is_the_models_own(name: str) -> None:
    make, special = MODELS[name]
    torch.manual_seed(0)
    hf_model = make().eval()
    trace = attnscope.Model(hf_model, clip_processor()).trace(random_photo())
    assert [token.text for token in trace.tokens if token.special] == special
    assert trace.certificate.ok
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        eager = hf_model(**trace.inputs, output_attentions=True).attentions
    for layer, weights in enumerate(eager):
        for head in range(4):
            assert (trace.attention(layer, head) - weights[0, head]).abs().max() < 1e-5


def test_a_patch_has_the_box_of_its_pixels() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval())
    trace = model.trace({"pixel_values": torch.randn(1, 3, 32, 32)})
    patches = [token for token in trace.tokens if token.box]
    # Row 1, column 2 of a grid of 4 × 4 patches of 8 × 8 pixels.
    assert patches[6].text == "patch 1,2"
    assert patches[6].box == (16, 8, 24, 16)
    assert (trace.images[0].width, trace.images[0].height) == (32, 32)
    assert {token.image for token in patches} == {0}


def test_the_stored_image_is_what_the_model_sees() -> None:
    photo = random_photo(32, 32)
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor()).trace(photo)
    kept = Image.open(io.BytesIO(trace.images[0].data))
    assert np.array_equal(np.asarray(kept), np.asarray(photo))


def test_a_file_keeps_images_and_boxes(tmp_path: Path) -> None:
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor()).trace(random_photo())
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    assert (opened.id, opened.images, opened.tokens) == (trace.id, trace.images, trace.tokens)


def test_a_directory_is_loaded_with_its_image_processor(tmp_path: Path) -> None:
    tf.ViTModel(tf.ViTConfig(**VISION)).save_pretrained(tmp_path)
    clip_processor().save_pretrained(tmp_path)
    random_photo().save(tmp_path / "photo.png")
    model = attnscope.load(tmp_path)
    assert model.takes == ("image",)
    trace = model.trace(str(tmp_path / "photo.png"))
    assert len(trace.tokens) == 17
    assert not trace.warnings
    assert "has no image processor" in attnscope.Model(model.hf_model).trace(random_photo()).warnings[0]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_of_two_towers_shows_the_one_that_reads_the_input(kind: str) -> None:
    config, make = {"clip": (tf.CLIPConfig, tf.CLIPModel), "siglip": (tf.SiglipConfig, tf.SiglipModel)}[kind]
    text = {**TEXT, "max_position_embeddings": 20}
    hf_model = make(config(text_config=text, vision_config=VISION)).eval()
    model = attnscope.Model(hf_model, clip_processor())
    assert list(model.trace(random_photo()).stacks) == ["vision"]
    assert "vision" not in model.trace([1, 5, 7, 2]).stacks
    both = model.trace({"input_ids": torch.tensor([[1, 5, 7, 2]]), "pixel_values": torch.randn(1, 3, 32, 32)})
    assert "vision" in both.stacks
    assert [token.text for token in both.tokens] == ["1", "5", "7", "2"]
    assert both.tokens_for("vision")[0][-1].box == (24, 24, 32, 32)


def test_ready_image_inputs_reach_the_model_under_any_name() -> None:
    config = tf.MllamaVisionConfig(
        **{**VISION, "attention_heads": 4}, num_global_layers=1, max_num_tiles=4, intermediate_layers_indices=[0]
    )
    ready = {
        "pixel_values": torch.rand(1, 1, 4, 3, 32, 32),
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.tensor([[[1, 0, 0, 0]]]),
    }
    model = attnscope.Model(tf.MllamaVisionModel(config).eval())
    assert model.trace(ready).certificate.ok


def test_image_windows_and_random_masks_raise() -> None:
    swin = tf.SwinModel(
        tf.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 4], window_size=4)
    )
    with pytest.raises(UnsupportedError, match="windows"):
        attnscope.Model(swin.eval(), clip_processor()).trace(random_photo())
    masked = tf.ViTMAEModel(tf.ViTMAEConfig(**VISION))
    with pytest.raises(UnsupportedError):
        attnscope.Model(masked.eval(), clip_processor()).trace(random_photo())


def test_invalid_images_raise(tmp_path: Path) -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor())
    with pytest.raises(MissingError, match="does not exist"):
        model.trace("nowhere.png")
    with pytest.raises(InputError, match="not an image in PNG"):
        model.trace(b"GIF? no")
    whole = io.BytesIO()
    random_photo().save(whole, "PNG")
    with pytest.raises(DamagedError, match="damaged"):
        model.trace(whole.getvalue()[:200])
    with pytest.raises(InputError, match="already normalized"):
        model.trace(np.random.default_rng(0).normal(size=(8, 8, 3)))
    with pytest.raises(InputError, match="reads images only"):
        model.trace("a text", image=random_photo())
    with pytest.raises(InputError, match="not images"):
        attnscope.Model(tf.GPT2LMHeadModel(tf.GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9))).trace(
            random_photo()
        )


def test_text_arguments_raise_with_an_image() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor())
    options: list[dict[str, Any]] = [{"pair": "a text"}, {"max_tokens": 3}]
    for option in options:
        with pytest.raises(InputError, match="works only with a text, not with an image"):
            model.trace(random_photo(), **option)
    for given in ([5, 6], None, {"input_ids": [[5, 6]]}):
        with pytest.raises(InputError, match=r"reads images only, not text\. Pass a PIL image"):
            model.trace(given)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match=r"fails on these inputs .*40"):
        model.trace({"pixel_values": torch.zeros(1, 3, 40, 40)})


def test_a_list_of_images_is_a_list_of_traces() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor())
    photos = [random_photo(), random_photo(40, 60)]
    traces: Any = model.trace(photos)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert [trace.id for trace in traces] == [model.trace(photo).id for photo in photos]
    with pytest.raises(InputError, match="covers one image; got 2"):
        model.trace(None, image=photos)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match="list of images is empty"):
        model.trace(None, image=[])  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_an_image_with_too_many_pixels_is_not_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(file, "PNG", optimize=True)
    assert len(file.getvalue()) < 100_000
    with pytest.raises(TooLongError, match="12,000 × 12,000"):
        open_image(file.getvalue())


def test_a_figure_of_an_image_shows_the_image(tmp_path: Path) -> None:
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**VISION)).eval(), clip_processor()).trace(random_photo())
    figure = attnscope.figure(trace, layer=1, heads=[0, 2], token="patch 1,2")
    figure.savefig(tmp_path / "a.svg")
    assert "from patch 1,2" in (tmp_path / "a.svg").read_text()
    attnscope.figure(trace, "matrix", layer=1, heads=[0]).savefig(tmp_path / "b.svg")
    assert ">patch 1,2<" in (tmp_path / "b.svg").read_text()
