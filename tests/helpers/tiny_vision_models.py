"""Tiny models for images, alone or within a text, and images for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers as tf
from PIL import Image

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
TEXT = {**SMALL, "vocab_size": 99, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def clip_processor() -> Any:
    return tf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def random_photo(width: int = 60, height: int = 40) -> Image.Image:
    generator = np.random.default_rng(3)
    return Image.fromarray(generator.integers(0, 255, (height, width, 3), dtype=np.uint8))


def siglip2() -> tuple[Any, Any]:
    torch.manual_seed(0)
    text = {**TEXT, "max_position_embeddings": 20, "projection_size": 32}
    config = tf.Siglip2Config(text_config=text, vision_config={**SMALL, "patch_size": 8, "num_patches": 16})
    return tf.Siglip2Model(config).eval(), tf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=36)


def llava() -> Any:
    return tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(
            vision_config=tf.CLIPVisionConfig(**VISION), text_config=tf.LlamaConfig(**TEXT), image_token_index=98
        )
    ).eval()


def blip2() -> Any:
    config = tf.Blip2Config(
        vision_config=VISION,
        qformer_config={**SMALL, "encoder_hidden_size": 32, "vocab_size": 99},
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


_WITH_ROPE = {
    **TEXT,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
}
_GRID_VISION = {"depth": 2, "hidden_size": 32, "num_heads": 4, "patch_size": 14}
_IDS = {"image_token_id": 98, "video_token_id": 97, "vision_start_token_id": 96, "vision_end_token_id": 95}

NATIVE_RESOLUTION: dict[str, Callable[[], Any]] = {
    "qwen2_vl": lambda: tf.Qwen2VLForConditionalGeneration(
        tf.Qwen2VLConfig(
            text_config=_WITH_ROPE, vision_config={**_GRID_VISION, "embed_dim": 32, "mlp_ratio": 2}, **_IDS
        )
    ),
    "qwen2_5_vl": lambda: tf.Qwen2_5_VLForConditionalGeneration(
        tf.Qwen2_5_VLConfig(
            text_config=_WITH_ROPE,
            vision_config={
                **_GRID_VISION,
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
                **_GRID_VISION,
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
            vision_config={**_GRID_VISION, "out_hidden_size": 32, "intermediate_size": 48},
            **{**_IDS, "image_start_token_id": 96, "image_end_token_id": 95},
        )
    ),
}


def text_with_images(*sizes: tuple[int, int]) -> tuple[dict[str, Any], Any]:
    """Model inputs for a text with images (height, width) in patches of 14 × 14 pixels, four patches per token."""
    processor = tf.Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=112 * 112)
    images = dict(processor(images=[random_photo(width, height) for height, width in sizes], return_tensors="pt"))
    counts = [int(rows * columns) // 4 for _, rows, columns in images["image_grid_thw"]]
    ids = torch.tensor([[1, *(one for count in counts for one in (96, *[98] * count, 95)), 7, 8]])
    kinds = (ids == 98).int()
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds, **images}, processor


def llava_with_processor() -> tuple[Any, Any]:
    """A tiny LLaVA whose heads differ, with a processor: one token per word, and `<image>` stands for 16 patches."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
    words += ["what", "is", "this", "a", "cat", "dog", "the", "in", "picture", "?", "it", "sees"]
    backend = Tokenizer(models.WordLevel({word: ident for ident, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = tf.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    processor = tf.LlavaProcessor(
        clip_processor(), tokenizer, patch_size=8, vision_feature_select_strategy="default", image_token="<image>"
    )
    processor.num_additional_image_tokens = 1
    torch.manual_seed(0)
    text = tf.LlamaConfig(**{**TEXT, "vocab_size": len(words)})
    model = tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(vision_config=tf.CLIPVisionConfig(**VISION), text_config=text, image_token_index=4)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name:
                parameter.mul_(4.0)
    return model.eval(), processor
