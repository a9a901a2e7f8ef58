"""Speech models: positions are time spans, and attention equals the model's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from helpers import tiny_models
from helpers.eager_attention import assert_same_attention, eager_outputs
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder

import attnscope
from attnscope.errors import InputError, MissingError

TARGET = [50, 4, 5, 6]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_models.whisper()


def test_whispers_stacks_equal_its_own_attention_and_source_tokens_are_times(model: Any) -> None:
    features = torch.randn(1, 16, 60, generator=torch.Generator().manual_seed(1))
    wrapped = attnscope.Model(model)
    trace = wrapped.trace({"input_features": features}, target=TARGET)
    assert_same_attention(trace, eager_outputs(model, input_features=features, decoder_input_ids=[TARGET]))
    assert [token.text for token in trace.sides["source"]][:3] == ["0.00 s", "0.02 s", "0.04 s"]
    assert len(trace.sides["source"]) == 30 and [token.id for token in trace.tokens] == TARGET
    assert trace.stacks == wrapped.stacks
    assert wrapped.check({"input_features": features}, target=TARGET).ok
    own = wrapped.trace({"input_features": features})
    written = model.generate(features, do_sample=False, max_new_tokens=20)[0].tolist()
    assert [token.id for token in own.tokens][1:] == written


def test_a_waveform_goes_through_the_feature_extractor(model: Any) -> None:
    wave = np.sin(np.arange(9600) / 7).astype(np.float32)
    extractor = tf.WhisperFeatureExtractor(feature_size=16)
    extractor.n_samples, extractor.nb_max_frames = 9600, 60
    trace = attnscope.Model(model, extractor).trace(wave, target=TARGET)
    features = extractor(wave, sampling_rate=16_000, return_tensors="pt").input_features
    ready = attnscope.Model(model).trace({"input_features": features}, target=TARGET)
    assert trace.id == ready.id and trace.sides["source"][-1].text == "0.58 s"
    with pytest.raises(MissingError, match="feature extractor"):
        attnscope.Model(model).trace(wave, target=TARGET)
    with pytest.raises(InputError, match="reads audio"):
        attnscope.Model(model, extractor).trace("a text")


def test_an_audio_encoder_is_traced() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    waves = {"conv_dim": (16, 16), "conv_stride": (5, 2), "conv_kernel": (10, 3), "num_feat_extract_layers": 2}
    config = tf.Wav2Vec2Config(**sizes, **waves, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
    trace = attnscope.Model(tf.Wav2Vec2Model(config).eval()).trace({"input_values": torch.randn(1, 400)})
    assert list(trace.stacks) == ["encoder"] and trace.certificate.ok and trace.tokens[1].text == "0.0006 s"


def test_a_spectrogram_without_a_batch_dimension_needs_its_length() -> None:
    config = tf.Qwen2_5OmniAudioEncoderConfig(
        num_mel_bins=16, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48, d_model=32, output_dim=32
    )
    model = attnscope.Model(Qwen2_5OmniAudioEncoder(config).eval())
    trace = model.trace({"input_features": torch.randn(16, 64), "feature_lens": torch.tensor([64])})
    assert trace.certificate.ok
