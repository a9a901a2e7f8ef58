"""The full certificate of an image that an encoder-decoder model describes, with its own output as the target."""

from __future__ import annotations

import torch
import transformers as tf
from helpers.tiny_vision_models import VISION, clip_processor, random_photo

from attnscope import Model


def test_an_image_is_checked_with_the_model_s_own_output_as_the_target() -> None:
    torch.manual_seed(0)
    decoder = tf.GPT2Config(
        vocab_size=99,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
        add_cross_attention=True,
    )
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.ViTConfig(**VISION), decoder)
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    certificate = Model(tf.VisionEncoderDecoderModel(config).eval(), clip_processor()).check(random_photo())
    assert certificate.ok
    assert certificate.max_error < 1e-5
    assert list(certificate.stacks) == ["encoder", "decoder", "cross"]
