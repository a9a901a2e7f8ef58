"""Where the weights times the values miss the attention's output, nothing is drawn."""

from __future__ import annotations

import pytest
import tiny
import torch
from transformers.models.llama import modeling_llama

import attnscope
from attnscope.errors import RefusedError

EAGER = modeling_llama.eager_attention_forward


def gated_and_silent(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
    """An attention that scales its output by half after the weights, and returns weights that do not say so."""
    output, weights = EAGER(module, query, key, value, mask, scaling, dropout)
    return output * 0.5, weights


def sharpened_and_honest(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
    """An attention with a softmax of its own, whose returned weights do give its output."""
    return EAGER(module, query, key, value, mask, scaling * 3, dropout)


@pytest.fixture
def odd_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama layers that pass an argument nobody has heard of to their attention function."""
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, *args, **kwargs):
        return plain(self, *args, temperature_of_tomorrow=3.0, **kwargs)

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)


def own_eager(model):
    model.config._attn_implementation = "eager"
    return model


def test_an_unknown_argument_goes_to_the_modules_own_function_and_a_wrong_picture_is_refused(
    odd_argument: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", gated_and_silent)
    with pytest.raises(RefusedError, match=r"is not shown for this text\. Not exact: layer 0"):
        attnscope.Model(own_eager(tiny.build("llama"))).trace(tiny.ids())


def test_where_only_the_models_own_weights_give_its_output_those_are_shown(
    odd_argument: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", sharpened_and_honest)
    model = own_eager(tiny.build("llama"))
    trace = attnscope.Model(model).trace(tiny.ids())
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([tiny.ids()]), output_attentions=True).attentions
    torch.testing.assert_close(trace.attention(1, 2), expected[1][0, 2])
    assert trace.certificate.ok
    assert any("Only attention weights are shown" in warning for warning in trace.warnings)
    with pytest.raises(RefusedError):
        trace.scores(1, 2)


def test_eager_weights_that_miss_the_output_are_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def lies(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
        output, weights = EAGER(module, query, key, value, mask, scaling, dropout)
        return output, weights.flip(-1)

    model = tiny.build("llama")
    wrapped = attnscope.Model(model)
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", lies)
    certificate = wrapped.check(tiny.ids())
    assert certificate.ok
    for layer in certificate.stacks["decoder"]:
        assert layer.eager_weights is None
        assert "no reference" in (layer.note or "")


def test_a_choice_of_keys_that_the_mask_does_not_tell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, *args, **kwargs):
        return plain(self, *args, indices=torch.tensor([0]), **kwargs)

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)
    with pytest.raises(RefusedError, match="chooses its keys through indices"):
        attnscope.Model(own_eager(tiny.build("llama"))).trace(tiny.ids())


def test_a_capture_that_changes_what_the_model_computes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = modeling_llama.LlamaAttention.forward

    def forward(self, hidden_states, *args, **kwargs):
        output, weights = plain(self, hidden_states, *args, **kwargs)
        return (output if self.config._attn_implementation == "sdpa" else output * 2), weights

    monkeypatch.setattr(modeling_llama.LlamaAttention, "forward", forward)
    with pytest.raises(RefusedError, match="computes something else when its attention is captured"):
        attnscope.Model(tiny.build("llama")).trace(tiny.ids())
