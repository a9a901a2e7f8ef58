"""Attention is shown only if weights times value vectors give the attention output."""

from __future__ import annotations

import pytest
import torch
import transformers as tf
from helpers import tiny_models
from transformers.models.llama import modeling_llama

import attnscope
from attnscope.errors import InputError, UnsupportedError

pytestmark = pytest.mark.core

EAGER = modeling_llama.eager_attention_forward


def gated_and_silent(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
    """An attention that halves its output after the weights, and returns weights without that factor."""
    output, weights = EAGER(module, query, key, value, mask, scaling, dropout)
    return output * 0.5, weights


def sharpened_and_honest(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
    """An attention with its own softmax, whose returned weights do give its output."""
    return EAGER(module, query, key, value, mask, scaling * 3, dropout)


@pytest.fixture
def odd_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama layers that pass an unknown argument to their attention function."""
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, *args, **kwargs):
        return plain(self, *args, temperature_of_tomorrow=3.0, **kwargs)

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)


def own_eager(model):
    model.config._attn_implementation = "eager"
    return model


def test_an_unknown_argument_uses_the_modules_own_function_and_wrong_weights_raise(
    odd_argument: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", gated_and_silent)
    with pytest.raises(UnsupportedError, match=r"exactly for this text\. Not exact: layer 0"):
        attnscope.Model(own_eager(tiny_models.build("llama"))).trace(tiny_models.ids())


def test_the_models_own_weights_are_shown_if_only_they_give_its_output(
    odd_argument: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", sharpened_and_honest)
    model = own_eager(tiny_models.build("llama"))
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(tiny_models.ids())
    assert wrapped.check(tiny_models.ids()).ok  # checks the weights that are shown
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([tiny_models.ids()]), output_attentions=True).attentions
    torch.testing.assert_close(trace.attention(1, 2), expected[1][0, 2])
    assert trace.certificate.ok
    assert any("Only attention weights are shown" in warning for warning in trace.warnings)
    with pytest.raises(UnsupportedError):
        trace.scores(1, 2)


def test_eager_weights_that_miss_the_output_are_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def lies(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
        output, weights = EAGER(module, query, key, value, mask, scaling, dropout)
        return output, weights.flip(-1)

    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", lies)
    certificate = wrapped.check(tiny_models.ids())
    assert certificate.ok
    for layer in certificate.stacks["decoder"]:
        assert layer.eager_weights is None
        assert "not a valid reference" in (layer.note or "")


def test_a_selection_of_keys_outside_the_mask_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, *args, **kwargs):
        return plain(self, *args, indices=torch.tensor([0]), **kwargs)

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)
    with pytest.raises(UnsupportedError, match="selects keys with indices"):
        attnscope.Model(own_eager(tiny_models.build("llama"))).trace(tiny_models.ids())


def test_a_capture_that_changes_the_model_output_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, hidden_states, *args, **kwargs):
        output, weights = plain(self, hidden_states, *args, **kwargs)
        return (output if self.config._attn_implementation == "sdpa" else output * 2), weights

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)
    with pytest.raises(UnsupportedError, match="when its attention is captured"):
        attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids())


COMMON = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
}
NO_MATRIX = {
    "sparse": lambda: tf.LongformerForMaskedLM(
        tf.LongformerConfig(**COMMON, attention_window=4, max_position_embeddings=64, pad_token_id=0)
    ),
    "pooled": lambda: tf.FunnelModel(
        tf.FunnelConfig(vocab_size=99, d_model=32, n_head=4, d_head=8, d_inner=32, block_sizes=[1, 1])
    ),
    "hashed": lambda: tf.YosoForMaskedLM(tf.YosoConfig(**COMMON)),
    "recurrent": lambda: tf.RwkvForCausalLM(
        tf.RwkvConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32)
    ),
}


@pytest.mark.parametrize("kind", NO_MATRIX)
def test_reported_attention_that_is_not_tokens_by_tokens_raises(kind: str) -> None:
    with pytest.raises(UnsupportedError, match=r"reports attention of shape .* for 6 tokens"):
        attnscope.Model(NO_MATRIX[kind]()).trace(tiny_models.ids())


def test_a_layer_that_runs_attention_twice_on_the_same_queries_raises() -> None:
    config = tf.DiffLlamaConfig(**COMMON, num_key_value_heads=4)
    with pytest.raises(UnsupportedError, match="several times for the same queries in one layer"):
        attnscope.Model(tf.DiffLlamaForCausalLM(config)).trace(tiny_models.ids())


def test_layers_with_fewer_queries_than_tokens_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tf.LlamaModel.forward

    def forward(self, input_ids, **kwargs):
        return plain(self, input_ids[:, -8:], **kwargs)

    monkeypatch.setattr(tf.LlamaModel, "forward", forward)
    with pytest.raises(UnsupportedError, match="8 queries attend to 8 keys, but there are 12 tokens"):
        attnscope.Model(tiny_models.build("llama").model).trace(tiny_models.ids())


def test_a_model_that_fails_on_plain_tokens_raises() -> None:
    model = tf.BertForMultipleChoice(tf.BertConfig(**COMMON))
    with pytest.raises(UnsupportedError, match="fails on 6 plain token ids"):
        attnscope.Model(model).trace(tiny_models.ids())


class Bare(torch.nn.Module):
    """A custom module without attention that takes only token ids."""

    def __init__(self) -> None:
        super().__init__()
        self.config = tf.PretrainedConfig(vocab_size=99)
        self.embedding = torch.nn.Embedding(99, 8)

    def forward(self, input_ids):
        return self.embedding(input_ids)


def test_inputs_without_token_ids_raise() -> None:
    model = attnscope.Model(tiny_models.build("llama"))
    with pytest.raises(InputError, match="`inputs_embeds` do not contain them"):
        model.trace({"inputs_embeds": torch.randn(1, 5, 32)})


def test_a_decoder_that_does_not_read_tokens_raises() -> None:
    config = tf.TimeSeriesTransformerConfig(prediction_length=4, context_length=8, d_model=16, lags_sequence=[1])
    model = attnscope.Model(tf.TimeSeriesTransformerModel(config).eval())
    given = {
        "past_values": torch.randn(1, 9),
        "past_time_features": torch.randn(1, 9, 1),
        "past_observed_mask": torch.ones(1, 9),
    }
    for target in (None, [1, 2, 3]):
        with pytest.raises(UnsupportedError, match="does not read tokens"):
            model.trace(given, target=target)


def test_a_model_whose_own_eager_pass_breaks_is_certified_without_it() -> None:
    config = tf.Llama4VisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=56,
        projector_input_dim=32, projector_output_dim=32, vision_output_dim=32,
    )  # fmt: skip
    model = attnscope.Model(tf.Llama4VisionModel(config).eval())
    certificate = model.check(model.trace({"pixel_values": torch.randn(1, 3, 56, 56)}))
    assert certificate.ok
    assert all(layer.eager_weights is None for layer in certificate.stacks["encoder"])


def test_a_module_without_attention_raises() -> None:
    with pytest.raises(UnsupportedError, match="does not use transformers' attention interface"):
        attnscope.Model(Bare()).trace(tiny_models.ids())


def test_a_boolean_square_mask_raises_for_eager_attention() -> None:
    mask = torch.ones(1, 1, 12, 12, dtype=torch.bool).tril()
    inputs = {"input_ids": [tiny_models.ids()], "attention_mask": mask}
    with pytest.raises(InputError, match="adds its mask to the scores"):
        attnscope.Model(own_eager(tiny_models.build("llama"))).trace(inputs)
    assert attnscope.Model(tiny_models.build("llama")).trace(inputs).certificate.ok
