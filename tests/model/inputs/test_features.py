"""Ready inputs that are not tokens: the positions that a model makes of audio."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope

pytestmark = pytest.mark.core


def whisper():
    torch.manual_seed(0)
    config = tf.WhisperConfig(
        vocab_size=tiny_models.VOCABULARY, d_model=32, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=8, max_source_positions=20,
        max_target_positions=30, decoder_start_token_id=1, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return tf.WhisperForConditionalGeneration(config).eval()


def test_the_positions_of_states_are_counted() -> None:
    config = tf.Qwen2VLVisionConfig(depth=2, embed_dim=32, hidden_size=32, num_heads=4, patch_size=4)
    model = tf.models.qwen2_vl.modeling_qwen2_vl.Qwen2VisionTransformerPretrainedModel(config).eval()
    rows = torch.rand(16, 3 * 2 * 16, generator=torch.Generator().manual_seed(0))
    trace = attnscope.Model(model).trace({"hidden_states": rows, "grid_thw": torch.tensor([[1, 4, 4]])})
    assert [token.text for token in trace.tokens] == [f"position {i}" for i in range(16)]
    assert trace.certificate.ok


def test_cross_attention_attends_to_audio_positions() -> None:
    model, written = whisper(), tiny_models.ids(5)
    features = torch.randn(1, 8, 40, generator=torch.Generator().manual_seed(0))
    wrapped = attnscope.Model(model)
    trace = wrapped.trace({"input_features": features}, target=written)
    reference = copy.deepcopy(model)
    reference.config._attn_implementation = "eager"
    with torch.no_grad():
        output = reference(
            input_features=features, decoder_input_ids=torch.tensor([written]), output_attentions=True, use_cache=False
        )
    expected = {
        "encoder": output.encoder_attentions,
        "decoder": output.decoder_attentions,
        "cross": output.cross_attentions,
    }
    assert trace.stacks.keys() == expected.keys()
    for name, layers in expected.items():
        for layer, weights in enumerate(layers):
            for head in range(weights.shape[1]):
                shown = trace.attention(layer, head, stack=name)
                torch.testing.assert_close(shown, weights[0, head], atol=1e-5, rtol=0)
    queries, keys = trace.tokens_for("cross")
    assert [token.id for token in queries] == written
    assert len(keys) == 20
    assert wrapped.check(trace).ok


def test_flattened_patches_are_positions() -> None:
    config = tf.Pix2StructVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, d_ff=48, d_kv=8, patch_size=8, seq_len=16,
        patch_embed_hidden_size=192,
    )  # fmt: skip
    places = torch.cartesian_prod(torch.arange(1, 3), torch.arange(1, 4))
    rows = torch.cat([places.float(), torch.randn(6, 192)], dim=1)[None]
    trace = attnscope.Model(tf.Pix2StructVisionModel(config).eval()).trace({"flattened_patches": rows})
    assert trace.certificate.ok
    assert [token.text for token in trace.tokens][-1] == "position 5"
