"""Pictures: patches where they are, attention as the model's own, and refusals in a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image

import attnscope
from attnscope.edits import ScaleHead
from attnscope.errors import DamagedError, InputError, MissingError, RefusedError, TooLongError
from attnscope.model.pictures import open_picture

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_EYES = {**_SMALL, "image_size": 32, "patch_size": 8}
_DINO = {name: value for name, value in _EYES.items() if name != "intermediate_size"}
_TEXT = {**_SMALL, "vocab_size": 99, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "vit": (lambda: tf.ViTModel(tf.ViTConfig(**_EYES)), ["[CLS]"]),
    "deit": (lambda: tf.DeiTModel(tf.DeiTConfig(**_EYES)), ["[CLS]", "[DIST]"]),
    "dinov2": (lambda: tf.Dinov2Model(tf.Dinov2Config(**_DINO)), ["[CLS]"]),
    "dinov2-registers": (
        lambda: tf.Dinov2WithRegistersModel(tf.Dinov2WithRegistersConfig(**_DINO)),
        ["[CLS]", "[REG 1]", "[REG 2]", "[REG 3]", "[REG 4]"],
    ),
    "clip": (lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**_EYES)), ["[CLS]"]),
    "siglip": (lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**_EYES)), []),
    "beit": (lambda: tf.BeitModel(tf.BeitConfig(**_EYES, use_relative_position_bias=True)), ["[CLS]"]),
}


def _processor() -> Any:
    return tf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def _photo(width: int = 60, height: int = 40) -> Image.Image:
    generator = np.random.default_rng(3)
    return Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", MODELS)
def test_attention_over_patches_is_the_models_own(name: str) -> None:
    make, special = MODELS[name]
    torch.manual_seed(0)
    hf_model = make().eval()
    trace = attnscope.Model(hf_model, _processor()).trace(_photo())
    assert [token.text for token in trace.tokens if token.special] == special
    assert trace.certificate.ok
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        eager = hf_model(**trace.inputs, output_attentions=True).attentions
    for layer, weights in enumerate(eager):
        for head in range(4):
            assert (trace.attention(layer, head) - weights[0, head]).abs().max() < 1e-5


def test_a_patch_has_the_box_of_its_pixels() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval())
    trace = model.trace({"pixel_values": torch.randn(1, 3, 32, 32)})
    patches = [token for token in trace.tokens if token.box]
    # Row 1, column 2 of a grid of 4 × 4 patches of 8 × 8 pixels.
    assert patches[6].text == "patch 1,2"
    assert patches[6].box == (16, 8, 24, 16)
    assert (trace.images[0].width, trace.images[0].height) == (32, 32)
    assert {token.image for token in patches} == {0}


def test_the_picture_kept_is_what_the_model_saw() -> None:
    photo = _photo(32, 32)
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor()).trace(photo)
    kept = Image.open(io.BytesIO(trace.images[0].data))
    assert np.array_equal(np.asarray(kept), np.asarray(photo))


def test_a_file_keeps_pictures_and_boxes(tmp_path: Path) -> None:
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor()).trace(_photo())
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    assert (opened.id, opened.images, opened.tokens) == (trace.id, trace.images, trace.tokens)


def _pictured() -> dict[str, tuple[Callable[[], Any], dict[str, torch.Tensor]]]:
    """Models that are looked at with other inputs than those that they are usually given, and such inputs."""
    text, picture = torch.tensor([[1, 5, 7, 2]]), torch.randn(1, 3, 32, 32)
    ids = torch.tensor([[1, 5, *[98] * 16, 7, 8]])
    queries = torch.tensor([[98, 98, 98, 98, 2, 5, 7]])
    clip = tf.CLIPConfig(text_config={**_TEXT, "max_position_embeddings": 20}, vision_config=_EYES)
    return {
        "llava": (_llava, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": picture}),
        "blip-2": (_blip2, {"input_ids": queries, "attention_mask": torch.ones_like(queries), "pixel_values": picture}),
        "clip, both": (lambda: tf.CLIPModel(clip).eval(), {"input_ids": text, "pixel_values": picture}),
        "clip, picture": (lambda: tf.CLIPModel(clip).eval(), {"pixel_values": picture}),
        "clip, text": (lambda: tf.CLIPModel(clip).eval(), {"input_ids": text}),
        "qwen2_5_vl": (lambda: OF_ANY_SHAPE["qwen2_5_vl"]().eval(), _among_text((84, 112))[0]),
    }


@pytest.mark.parametrize("name", ["llava", "blip-2", "clip, both", "clip, picture", "clip, text", "qwen2_5_vl"])
def test_a_trace_with_pictures_is_opened_with_its_model(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, given = _pictured()[name]
    hf_model = make()
    trace = attnscope.Model(hf_model).trace(given)
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace", model=attnscope.Model(hf_model))
    assert opened.id == trace.id
    for stack in trace.stacks:
        torch.testing.assert_close(opened.head_output(1, 2, stack), trace.head_output(1, 2, stack))
    assert (opened.logits is None) == (trace.logits is None)
    if trace.logits is not None:
        torch.testing.assert_close(opened.logits, trace.logits, atol=1e-5, rtol=1e-5)


def test_a_directory_is_loaded_with_its_image_processor(tmp_path: Path) -> None:
    tf.ViTModel(tf.ViTConfig(**_EYES)).save_pretrained(tmp_path)
    _processor().save_pretrained(tmp_path)
    _photo().save(tmp_path / "photo.png")
    model = attnscope.load(tmp_path)
    assert model.takes == ("image",)
    trace = model.trace(str(tmp_path / "photo.png"))
    assert len(trace.tokens) == 17
    assert not trace.warnings
    assert "without an image processor" in attnscope.Model(model.hf_model).trace(_photo()).warnings[0]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_of_two_towers_shows_the_one_that_reads_the_input(kind: str) -> None:
    config, make = {"clip": (tf.CLIPConfig, tf.CLIPModel), "siglip": (tf.SiglipConfig, tf.SiglipModel)}[kind]
    text = {**_TEXT, "max_position_embeddings": 20}
    hf_model = make(config(text_config=text, vision_config=_EYES)).eval()
    model = attnscope.Model(hf_model, _processor())
    assert list(model.trace(_photo()).stacks) == ["vision"]
    assert "vision" not in model.trace([1, 5, 7, 2]).stacks
    both = model.trace({"input_ids": torch.tensor([[1, 5, 7, 2]]), "pixel_values": torch.randn(1, 3, 32, 32)})
    assert "vision" in both.stacks
    assert [token.text for token in both.tokens] == ["1", "5", "7", "2"]
    assert both.tokens_for("vision")[0][-1].box == (24, 24, 32, 32)


def _siglip2() -> tuple[Any, Any]:
    torch.manual_seed(0)
    text = {**_TEXT, "max_position_embeddings": 20, "projection_size": 32}
    config = tf.Siglip2Config(text_config=text, vision_config={**_SMALL, "patch_size": 8, "num_patches": 16})
    return tf.Siglip2Model(config).eval(), tf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=36)


def test_patches_in_rows_lie_where_their_grid_has_them() -> None:
    hf_model, processor = _siglip2()
    model = attnscope.Model(hf_model.vision_model, processor)
    trace, wide = model.trace(_photo(40, 32)), model.trace(_photo(72, 24))
    rows, columns = processor(images=_photo(40, 32), return_tensors="pt")["spatial_shapes"][0].tolist()
    assert not trace.warnings
    assert trace.certificate.ok
    assert [token.text for token in trace.tokens] == [
        *(f"patch {row},{column}" for row in range(rows) for column in range(columns)),
        *["[padding]"] * (36 - rows * columns),
    ]
    assert trace.tokens[columns].box == (0, 8, 8, 16)
    assert (trace.images[0].width, trace.images[0].height) == (8 * columns, 8 * rows)
    assert wide.tokens[columns].box != trace.tokens[columns].box
    assert float(trace.attention(0, 0)[:, rows * columns :].sum()) == 0
    assert model.count_positions(_photo()) == 36


def test_patches_in_rows_are_the_picture_itself() -> None:
    hf_model, processor = _siglip2()
    photo = _photo(48, 48)
    trace = attnscope.Model(hf_model.vision_model, processor).trace(photo)
    shown = np.asarray(open_picture(trace.images[0].data), dtype=int)
    assert np.abs(shown - np.asarray(photo, dtype=int)).max() <= 1


def test_ready_patches_in_rows_go_with_a_text() -> None:
    hf_model, processor = _siglip2()
    model = attnscope.Model(hf_model, processor)
    ready = dict(processor(images=_photo(), return_tensors="pt"))
    both = model.trace({"input_ids": torch.tensor([[1, 5, 7, 2]]), **ready})
    assert both.tokens_for("vision")[0][0].box == (0, 0, 8, 8)
    alone = model.trace(ready)
    assert list(alone.stacks) == ["vision"]
    assert torch.equal(alone.attention(1, 2, stack="vision"), both.attention(1, 2, stack="vision"))


def test_ready_inputs_of_a_picture_reach_the_model_whatever_their_names_are() -> None:
    config = tf.MllamaVisionConfig(
        **{**_EYES, "attention_heads": 4}, num_global_layers=1, max_num_tiles=4, intermediate_layers_indices=[0]
    )
    ready = {
        "pixel_values": torch.rand(1, 1, 4, 3, 32, 32),
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.tensor([[[1, 0, 0, 0]]]),
    }
    model = attnscope.Model(tf.MllamaVisionModel(config).eval())
    assert model.trace(ready).certificate.ok


def _llava() -> Any:
    return tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(
            vision_config=tf.CLIPVisionConfig(**_EYES), text_config=tf.LlamaConfig(**_TEXT), image_token_index=98
        )
    ).eval()


def test_an_image_text_model_shows_the_patches_among_the_tokens() -> None:
    torch.manual_seed(0)
    hf_model = _llava()
    ids = torch.tensor([[1, 5, *[98] * 16, 7, 8]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = attnscope.Model(hf_model)
    trace = model.trace(given)
    assert list(trace.stacks) == ["decoder", "vision"]  # the text first: what a trace opens on
    assert [token.text for token in trace.tokens[:4]] == ["1", "5", "patch 0,0", "patch 0,1"]
    assert trace.tokens[2 + 4 * 2 + 3].box == (24, 16, 32, 24)
    assert trace.tokens_for("vision")[0][0].text == "[CLS]"
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        decoder = hf_model(**given, output_attentions=True).attentions
        vision = hf_model.model.vision_tower(given["pixel_values"], output_attentions=True).attentions
    for layer in range(2):
        for head in range(4):
            assert (trace.attention(layer, head, "decoder") - decoder[layer][0, head]).abs().max() < 1e-5
            assert (trace.attention(layer, head, "vision") - vision[layer][0, head]).abs().max() < 1e-5
    assert list(model.trace([1, 5, 7]).stacks) == ["decoder"]


def test_patches_that_are_merged_have_the_box_of_all_of_them() -> None:
    hf_model = tf.Idefics3ForConditionalGeneration(
        tf.Idefics3Config(
            vision_config=_EYES, text_config=tf.LlamaConfig(**_TEXT), image_token_id=98, scale_factor=2, pad_token_id=0
        )
    ).eval()
    ids = torch.tensor([[1, *[98] * 4, 7]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(1, 1, 3, 32, 32)}
    trace = attnscope.Model(hf_model).trace(given)
    assert [token.box for token in trace.tokens[1:5]] == [
        (0, 0, 16, 16),
        (16, 0, 32, 16),
        (0, 16, 16, 32),
        (16, 16, 32, 32),
    ]
    with torch.no_grad():
        hf_model.set_attn_implementation("eager")
        eager = hf_model(**given, output_attentions=True).attentions
    assert (trace.attention(1, 2, "decoder") - eager[1][0, 2]).abs().max() < 1e-5


_WITH_ROPE = {
    **_TEXT,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
}
_GRID_EYES = {"depth": 2, "hidden_size": 32, "num_heads": 4, "patch_size": 14}
_IDS = {"image_token_id": 98, "video_token_id": 97, "vision_start_token_id": 96, "vision_end_token_id": 95}

OF_ANY_SHAPE: dict[str, Callable[[], Any]] = {
    "qwen2_vl": lambda: tf.Qwen2VLForConditionalGeneration(
        tf.Qwen2VLConfig(text_config=_WITH_ROPE, vision_config={**_GRID_EYES, "embed_dim": 32, "mlp_ratio": 2}, **_IDS)
    ),
    "qwen2_5_vl": lambda: tf.Qwen2_5_VLForConditionalGeneration(
        tf.Qwen2_5_VLConfig(
            text_config=_WITH_ROPE,
            vision_config={
                **_GRID_EYES,
                "out_hidden_size": 32,
                "intermediate_size": 48,
                "window_size": 56,
                "fullatt_block_indexes": [1],
            },
            **_IDS,
        )
    ),
    "qwen3_vl": lambda: tf.Qwen3VLForConditionalGeneration(
        tf.Qwen3VLConfig(
            text_config=_WITH_ROPE,
            vision_config={
                **_GRID_EYES,
                "out_hidden_size": 32,
                "intermediate_size": 48,
                "num_position_embeddings": 64,
                "deepstack_visual_indexes": [0],
            },
            **_IDS,
        )
    ),
    "glm4v": lambda: tf.Glm4vForConditionalGeneration(
        tf.Glm4vConfig(
            text_config=_WITH_ROPE,
            vision_config={**_GRID_EYES, "out_hidden_size": 32, "intermediate_size": 48},
            **{**_IDS, "image_start_token_id": 96, "image_end_token_id": 95},
        )
    ),
}


def _among_text(*sizes: tuple[int, int]) -> tuple[dict[str, Any], Any]:
    """Ready inputs of a text with pictures (height, width) in patches of 14 × 14, four of which are one token."""
    processor = tf.Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=112 * 112)
    pictures = dict(processor(images=[_photo(width, height) for height, width in sizes], return_tensors="pt"))
    counts = [int(rows * columns) // 4 for _, rows, columns in pictures["image_grid_thw"]]
    ids = torch.tensor([[1, *(one for count in counts for one in (96, *[98] * count, 95)), 7, 8]])
    kinds = (ids == 98).int()
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds, **pictures}, processor


@pytest.mark.parametrize("name", OF_ANY_SHAPE)
def test_pictures_of_any_shape_stand_among_the_tokens_in_their_place(name: str) -> None:
    torch.manual_seed(0)
    hf_model = OF_ANY_SHAPE[name]().eval()
    given, processor = _among_text((84, 112))
    trace = attnscope.Model(hf_model, processor).trace(given)
    assert not trace.warnings and trace.certificate.ok
    assert [token.text for token in trace.tokens[2:14]] == [f"patch {y},{x}" for y in range(3) for x in range(4)]
    assert trace.tokens[2 + 4 + 3].box == (84, 28, 112, 56)
    assert sorted(token.box for token in trace.tokens_for("vision")[0]) == sorted(
        (14 * x, 14 * y, 14 * x + 14, 14 * y + 14) for y in range(6) for x in range(8)
    )
    shown = np.asarray(open_picture(trace.images[0].data), dtype=int)
    assert np.abs(shown - np.asarray(_photo(112, 84), dtype=int)).max() <= 1
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        eager = hf_model(**given, output_attentions=True).attentions
    for layer, weights in enumerate(eager):
        for head in range(4):
            assert (trace.attention(layer, head, "decoder") - weights[0, head]).abs().max() < 1e-5


def test_attention_within_windows_is_that_of_all_patches_with_a_mask() -> None:
    torch.manual_seed(0)
    hf_model = OF_ANY_SHAPE["qwen2_5_vl"]().eval()
    given, processor = _among_text((84, 112))
    model = attnscope.Model(hf_model, processor)
    trace = model.trace(given)
    seen: list[tuple[torch.Tensor, dict[str, Any]]] = []
    blocks = hf_model.model.visual.blocks
    hooks = [
        block.attn.register_forward_pre_hook(
            lambda _module, args, kwargs: seen.append((args[0] if args else kwargs["hidden_states"], kwargs)),
            with_kwargs=True,
        )
        for block in blocks
    ]
    with torch.no_grad():
        hf_model(**given)
    for hook in hooks:
        hook.remove()
    for layer, (states, kwargs) in enumerate(seen):
        count = len(states)
        q, k, _ = blocks[layer].attn.qkv(states).reshape(count, 3, 4, 8).permute(1, 0, 2, 3).unbind(0)
        cosine, sine = kwargs["position_embeddings"]
        turned = [
            part * cosine[:, None] + torch.cat([-part[..., 4:], part[..., :4]], -1) * sine[:, None] for part in (q, k)
        ]
        scores = torch.einsum("ihd,jhd->hij", *turned) * 8**-0.5
        ends = kwargs["cu_seqlens"]
        window = torch.bucketize(torch.arange(count), ends[1:], right=True)
        scores = scores.masked_fill(window[:, None] != window[None], -torch.inf)
        for head in range(4):
            assert (trace.attention(layer, head, "vision") - scores[head].softmax(-1)).abs().max() < 1e-5
    assert len(seen) == 2 and len(seen[0][1]["cu_seqlens"]) > 2
    assert model.check(given).ok
    with pytest.raises(RefusedError, match="part by part"):
        model.trace(given, edits=[ScaleHead(0, 1, 0.0, stack="vision")])
    assert model.trace(given, edits=[ScaleHead(1, 1, 0.0, stack="vision")]).certificate.ok


def test_several_pictures_of_any_shape_are_told_apart() -> None:
    torch.manual_seed(0)
    given, processor = _among_text((56, 56), (28, 84))
    trace = attnscope.Model(OF_ANY_SHAPE["qwen2_vl"]().eval(), processor).trace(given)
    assert [(image.width, image.height) for image in trace.images] == [(56, 56), (84, 28)]
    pictures = [token.image for token in trace.tokens]
    assert pictures == [None, None, 0, 0, 0, 0, None, None, 1, 1, 1, None, None, None]
    between = trace.attention(0, 0, "vision")[:16, 16:]
    assert not between.any()


def _blip2() -> Any:
    config = tf.Blip2Config(
        vision_config=_EYES,
        qformer_config={**_SMALL, "encoder_hidden_size": 32, "vocab_size": 99},
        text_config=tf.OPTConfig(
            vocab_size=99,
            hidden_size=32,
            ffn_dim=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            word_embed_proj_dim=32,
        ),
        num_query_tokens=4,
        image_token_index=98,
    )
    return tf.Blip2ForConditionalGeneration(config).eval()


def test_what_lies_between_picture_and_text_is_left_out_with_a_sentence() -> None:
    torch.manual_seed(0)
    hf_model = _blip2()
    ids = torch.tensor([[98, 98, 98, 98, 2, 5, 7]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = attnscope.Model(hf_model)
    trace = model.trace(given)
    assert list(trace.stacks) == ["decoder", "vision"]
    assert any("qformer.encoder.layer is neither of the text nor" in one for one in trace.warnings)
    assert model.check(given).ok
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        text = hf_model(**given, output_attentions=True).language_model_outputs.attentions
        tower = hf_model.vision_model(given["pixel_values"], output_attentions=True).attentions
    for layer in range(2):
        for head in range(4):
            decoder, vision = text[layer][0, head], tower[layer][0, head]
            assert (trace.attention(layer, head, "decoder") - decoder).abs().max() < 1e-5
            assert (trace.attention(layer, head, "vision") - vision).abs().max() < 1e-5


def test_windows_and_random_masks_are_refused() -> None:
    swin = tf.SwinModel(
        tf.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 4], window_size=4)
    )
    with pytest.raises(RefusedError, match="windows"):
        attnscope.Model(swin.eval(), _processor()).trace(_photo())
    masked = tf.ViTMAEModel(tf.ViTMAEConfig(**_EYES))
    with pytest.raises(RefusedError):
        attnscope.Model(masked.eval(), _processor()).trace(_photo())


def test_what_is_no_picture_is_refused_in_a_sentence(tmp_path: Path) -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor())
    with pytest.raises(MissingError, match="no picture"):
        model.trace("nowhere.png")
    with pytest.raises(InputError, match="no picture in PNG"):
        model.trace(b"GIF? no")
    whole = io.BytesIO()
    _photo().save(whole, "PNG")
    with pytest.raises(DamagedError, match="damaged"):
        model.trace(whole.getvalue()[:200])
    with pytest.raises(InputError, match="normalised already"):
        model.trace(np.random.default_rng(0).normal(size=(8, 8, 3)))
    with pytest.raises(InputError, match="no text"):
        model.trace("a text", image=_photo())
    with pytest.raises(InputError, match="no pictures"):
        attnscope.Model(tf.GPT2LMHeadModel(tf.GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9))).trace(_photo())


def test_what_goes_with_texts_is_refused_beside_a_picture() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor())
    options: list[dict[str, Any]] = [{"pair": "a text"}, {"max_tokens": 3}]
    for option in options:
        with pytest.raises(InputError, match="goes with a text, not with a picture"):
            model.trace(_photo(), **option)
    for given in ([5, 6], None, {"input_ids": [[5, 6]]}):
        with pytest.raises(InputError, match="reads pictures: pass a PIL image"):
            model.trace(given)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match=r"does not run over these inputs .*40"):
        model.trace({"pixel_values": torch.zeros(1, 3, 40, 40)})


def test_a_list_of_pictures_is_a_list_of_traces() -> None:
    model = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor())
    photos = [_photo(), _photo(40, 60)]
    traces: Any = model.trace(photos)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert [trace.id for trace in traces] == [model.trace(photo).id for photo in photos]
    with pytest.raises(InputError, match="of one picture; got 2"):
        model.trace(None, image=photos)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match="empty list holds no picture"):
        model.trace(None, image=[])  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_a_picture_that_unpacks_to_too_much_is_never_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(file, "PNG", optimize=True)
    assert len(file.getvalue()) < 100_000
    with pytest.raises(TooLongError, match="12,000 × 12,000"):
        open_picture(file.getvalue())


def test_a_figure_of_a_picture_is_the_picture(tmp_path: Path) -> None:
    trace = attnscope.Model(tf.ViTModel(tf.ViTConfig(**_EYES)).eval(), _processor()).trace(_photo())
    figure = attnscope.figure(trace, layer=1, heads=[0, 2], token="patch 1,2")
    figure.savefig(tmp_path / "a.svg")
    assert "from patch 1,2" in (tmp_path / "a.svg").read_text()
    attnscope.figure(trace, "matrix", layer=1, heads=[0]).savefig(tmp_path / "b.svg")
    assert ">patch 1,2<" in (tmp_path / "b.svg").read_text()
