"""Images in a text and of any shape: patches have the right boxes, and attention equals the model's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from helpers.tiny_vision_models import (
    NATIVE_RESOLUTION,
    TEXT,
    VISION,
    blip2,
    llava,
    random_photo,
    siglip2,
    text_with_images,
)

import attnscope
from attnscope.edits import ScaleHead
from attnscope.errors import UnsupportedError
from attnscope.model.inputs.images import open_image


def _imaged() -> dict[str, tuple[Callable[[], Any], dict[str, torch.Tensor]]]:
    """Models that are probed with unusual inputs, and these inputs."""
    text, image = torch.tensor([[1, 5, 7, 2]]), torch.randn(1, 3, 32, 32)
    ids = torch.tensor([[1, 5, *[98] * 16, 7, 8]])
    queries = torch.tensor([[98, 98, 98, 98, 2, 5, 7]])
    clip = tf.CLIPConfig(text_config={**TEXT, "max_position_embeddings": 20}, vision_config=VISION)
    return {
        "llava": (llava, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": image}),
        "blip-2": (blip2, {"input_ids": queries, "attention_mask": torch.ones_like(queries), "pixel_values": image}),
        "clip, both": (lambda: tf.CLIPModel(clip).eval(), {"input_ids": text, "pixel_values": image}),
        "clip, image": (lambda: tf.CLIPModel(clip).eval(), {"pixel_values": image}),
        "clip, text": (lambda: tf.CLIPModel(clip).eval(), {"input_ids": text}),
        "qwen2_5_vl": (lambda: NATIVE_RESOLUTION["qwen2_5_vl"]().eval(), text_with_images((84, 112))[0]),
    }


@pytest.mark.parametrize("name", ["llava", "blip-2", "clip, both", "clip, image", "clip, text", "qwen2_5_vl"])
def test_a_trace_with_images_is_opened_with_its_model(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make, given = _imaged()[name]
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


def test_patch_sequences_follow_their_grid() -> None:
    hf_model, processor = siglip2()
    model = attnscope.Model(hf_model.vision_model, processor)
    trace, wide = model.trace(random_photo(40, 32)), model.trace(random_photo(72, 24))
    rows, columns = processor(images=random_photo(40, 32), return_tensors="pt")["spatial_shapes"][0].tolist()
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
    assert model.count_tokens(random_photo()) == 36


def test_patch_sequences_give_back_the_image() -> None:
    hf_model, processor = siglip2()
    photo = random_photo(48, 48)
    trace = attnscope.Model(hf_model.vision_model, processor).trace(photo)
    shown = np.asarray(open_image(trace.images[0].data), dtype=int)
    assert np.abs(shown - np.asarray(photo, dtype=int)).max() <= 1


def test_ready_patch_sequences_work_with_a_text() -> None:
    hf_model, processor = siglip2()
    model = attnscope.Model(hf_model, processor)
    ready = dict(processor(images=random_photo(), return_tensors="pt"))
    both = model.trace({"input_ids": torch.tensor([[1, 5, 7, 2]]), **ready})
    assert both.tokens_for("vision")[0][0].box == (0, 0, 8, 8)
    alone = model.trace(ready)
    assert list(alone.stacks) == ["vision"]
    assert torch.equal(alone.attention(1, 2, stack="vision"), both.attention(1, 2, stack="vision"))


def test_an_image_text_model_shows_the_patches_among_the_tokens() -> None:
    torch.manual_seed(0)
    hf_model = llava()
    ids = torch.tensor([[1, 5, *[98] * 16, 7, 8]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = attnscope.Model(hf_model)
    trace = model.trace(given)
    assert list(trace.stacks) == ["decoder", "vision"]  # the text comes first: it is shown when a trace opens
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
            vision_config=VISION, text_config=tf.LlamaConfig(**TEXT), image_token_id=98, scale_factor=2, pad_token_id=0
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


@pytest.mark.parametrize("name", NATIVE_RESOLUTION)
def test_images_of_any_shape_appear_among_the_tokens(name: str) -> None:
    torch.manual_seed(0)
    hf_model = NATIVE_RESOLUTION[name]().eval()
    given, processor = text_with_images((84, 112))
    trace = attnscope.Model(hf_model, processor).trace(given)
    assert not trace.warnings and trace.certificate.ok
    assert [token.text for token in trace.tokens[2:14]] == [f"patch {y},{x}" for y in range(3) for x in range(4)]
    assert trace.tokens[2 + 4 + 3].box == (84, 28, 112, 56)
    assert sorted(token.box for token in trace.tokens_for("vision")[0]) == sorted(
        (14 * x, 14 * y, 14 * x + 14, 14 * y + 14) for y in range(6) for x in range(8)
    )
    shown = np.asarray(open_image(trace.images[0].data), dtype=int)
    assert np.abs(shown - np.asarray(random_photo(112, 84), dtype=int)).max() <= 1
    hf_model.set_attn_implementation("eager")
    with torch.no_grad():
        eager = hf_model(**given, output_attentions=True).attentions
    for layer, weights in enumerate(eager):
        for head in range(4):
            assert (trace.attention(layer, head, "decoder") - weights[0, head]).abs().max() < 1e-5


def test_windowed_attention_equals_masked_attention_over_all_patches() -> None:
    torch.manual_seed(0)
    hf_model = NATIVE_RESOLUTION["qwen2_5_vl"]().eval()
    given, processor = text_with_images((84, 112))
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
    with pytest.raises(UnsupportedError, match="in several parts"):
        model.trace(given, edits=[ScaleHead(0, 1, 0.0, stack="vision")])
    assert model.trace(given, edits=[ScaleHead(1, 1, 0.0, stack="vision")]).certificate.ok


def test_several_images_of_any_shape_are_separate() -> None:
    torch.manual_seed(0)
    given, processor = text_with_images((56, 56), (28, 84))
    trace = attnscope.Model(NATIVE_RESOLUTION["qwen2_vl"]().eval(), processor).trace(given)
    assert [(image.width, image.height) for image in trace.images] == [(56, 56), (84, 28)]
    images = [token.image for token in trace.tokens]
    assert images == [None, None, 0, 0, 0, 0, None, None, 1, 1, 1, None, None, None]
    between = trace.attention(0, 0, "vision")[:16, 16:]
    assert not between.any()


def test_layers_between_image_and_text_are_dropped_with_a_warning() -> None:
    torch.manual_seed(0)
    hf_model = blip2()
    ids = torch.tensor([[98, 98, 98, 98, 2, 5, 7]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(1, 3, 32, 32)}
    model = attnscope.Model(hf_model)
    trace = model.trace(given)
    assert list(trace.stacks) == ["decoder", "vision"]
    assert any("qformer.encoder.layer belongs neither to the text nor" in one for one in trace.warnings)
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
