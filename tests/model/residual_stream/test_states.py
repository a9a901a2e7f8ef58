"""The residual stream, the logit lens and direct logit attribution, compared with plain transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope import edits
from attnscope.errors import InputError, UnsupportedError

pytestmark = pytest.mark.core

IDS = tiny_models.ids(12)
ATTRIBUTED = ("gpt2", "llama", "gemma2", "gpt_neox", "opt", "olmo2", "qwen3", "deepseek_v3")
ANSWER, FOIL = 5, 7


def model_of(name: str) -> attnscope.Model:
    hf_model = tiny_models.build(name)
    if name == "gemma2":  # a cap that matters
        hf_model.config.final_logit_softcapping = 0.5
    return attnscope.Model(hf_model)


@pytest.fixture(scope="module", params=ATTRIBUTED)
def model(request) -> attnscope.Model:
    return model_of(request.param)


def hidden_states(model: attnscope.Model) -> tuple[torch.Tensor, ...]:
    """The hidden states from plain transformers; the last one is already normalized."""
    with torch.no_grad():
        return model.hf_model(torch.tensor([IDS]), output_hidden_states=True).hidden_states


def logits(model: attnscope.Model) -> torch.Tensor:
    with torch.no_grad():
        return model.hf_model(torch.tensor([IDS])).logits[0]


def test_norms_are_those_of_the_hidden_states(model):
    states = model.states(IDS)
    expected = torch.stack([state[0].norm(dim=-1) for state in hidden_states(model)[:-1]])
    assert states.norms.shape == (4, 12)
    assert torch.allclose(states.norms[:-1], expected, rtol=1e-5)


def test_the_lens_after_all_layers_is_the_models_own_prediction(model):
    states = model.states(IDS)
    assert (states.logits(3) - logits(model)).abs().max() < 1e-6
    lens = states.lens(k=3)
    top = logits(model).softmax(-1).topk(3)
    assert lens.ids.shape == (4, 12, 3)
    assert torch.equal(lens.ids[-1], top.indices) and torch.allclose(lens.probabilities[-1], top.values, atol=1e-6)


def test_shares_sum_to_the_logit(model):
    expected = logits(model)[-1]
    one = model.states(IDS, ANSWER).contributions
    assert one.total == pytest.approx(float(expected[ANSWER]), abs=1e-6)
    assert abs(one.remainder) < 1e-5
    both = model.states(IDS, ANSWER, FOIL).contributions
    assert both.total == pytest.approx(float(expected[ANSWER] - expected[FOIL]), abs=1e-6)
    assert abs(both.remainder) < 1e-5
    assert both.frame()["value"].sum() == pytest.approx(both.total, abs=1e-9)
    assert len(both.of("head")) == 12 and len(both.of("mlp")) == 3 and not both.of("block")


def test_another_position_has_other_shares(model):
    found = model.states(IDS, ANSWER, position=4).contributions
    assert found.total == pytest.approx(float(logits(model)[4, ANSWER]), abs=1e-6)
    assert abs(found.remainder) < 1e-5


def test_a_soft_cap_is_a_separate_share():
    model = model_of("gemma2")
    found = model.states(IDS, int(logits(model)[-1].argmax())).contributions
    (cap,) = found.of("cap")
    before = found.total - cap.value
    assert found.total == pytest.approx(0.5 * float(torch.tensor(before / 0.5).tanh()), abs=1e-6)


def test_multipliers_of_granite_are_found():
    torch.manual_seed(0)
    config = tf.GraniteConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=0.25,
        attention_multiplier=0.5,
    )  # fmt: skip
    model = attnscope.Model(tf.AutoModelForCausalLM.from_config(config).eval())
    found = model.states(IDS, ANSWER).contributions
    assert found.total == pytest.approx(float(logits(model)[-1, ANSWER]), abs=1e-6)
    assert abs(found.remainder) < 1e-5 and len(found.of("head")) == 12 and len(found.of("mlp")) == 3


def test_a_heads_share_is_what_the_logit_loses_without_it_while_the_scale_is_held():
    """By hand on gpt2: W_O of one head, the frozen LayerNorm, one column of the unembedding."""
    model = model_of("gpt2")
    found = model.states(IDS, ANSWER).contributions
    end = model.hf_model.transformer.ln_f
    last = {}
    handle = end.register_forward_pre_hook(lambda _module, args: last.update(x=args[0][0, -1]))
    trace = model.trace(IDS)
    logits(model)
    handle.remove()
    deviation = last["x"].var(correction=0).add(end.eps).sqrt()
    for share in found.of("head"):
        part = trace.head_output(share.layer, share.head)[-1]
        with torch.no_grad():
            by_hand = ((part - part.mean()) / deviation * end.weight) @ model.hf_model.lm_head.weight[ANSWER]
        assert share.value == pytest.approx(float(by_hand), abs=1e-5)


def test_head_norms_are_those_of_head_outputs():
    model = model_of("llama")
    states = model.states(IDS)
    assert states.head_norms.shape == (3, 4, 12)
    assert torch.allclose(states.head_norms[1, 2], states.trace.head_output(1, 2).norm(dim=-1))


def test_a_masked_model_has_norms_and_a_lens_and_a_note_about_shares():
    model = model_of("bert")
    states = model.states(IDS)
    assert states.contributions is None
    assert any("transform" in note for note in states.notes)
    assert any("normalize the stream" in note for note in states.notes)
    assert torch.allclose(states.norms, torch.stack([s[0].norm(dim=-1) for s in hidden_states(model)]), rtol=1e-5)
    assert (states.logits(3) - logits(model)).abs().max() < 1e-6
    with pytest.raises(UnsupportedError, match="transform"):
        model.states(IDS, ANSWER, position=3)


def test_a_model_outside_the_interface_raises():
    with pytest.raises(UnsupportedError, match="residual stream"):
        model_of("bloom").states(IDS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"answer": 99}, "ids are 0 to 98"),
        ({"answer": " Paris"}, "no tokenizer"),
        ({"foil": 3}, "pass both"),
        ({"answer": 5, "position": 12}, "tokens 0 to 11"),
        ({"answer": 1.5}, "must be a text, a token id, or a list of token ids"),
    ],
)
def test_invalid_answers_raise(wrong, said):
    with pytest.raises(InputError, match=said):
        model_of("gpt2").states(IDS, **wrong)


def test_an_answer_may_be_a_number_of_torch_or_numpy():
    wanted = model_of("gpt2").states(IDS, 7).contributions
    for answer in (torch.tensor(7), np.int64(7)):
        assert model_of("gpt2").states(IDS, answer).contributions.total == wanted.total


def test_a_trace_of_another_model_raises():
    trace = model_of("gpt2").trace(IDS)
    for asked in (lambda model: model.states(trace), lambda model: model.patch(trace, trace)):
        with pytest.raises(InputError, match="other weights"):
            asked(model_of("llama"))
    with pytest.raises(InputError, match="whole number of at least 0"):
        model_of("gpt2").states(trace).lens("all")


def test_states_of_a_real_model(smollm2):
    states = smollm2.states("The capital of France is", " Paris", " London")
    assert abs(states.contributions.remainder) < 1e-4
    with torch.no_grad():
        ids = torch.tensor([[token.id for token in states.tokens]])
        output = smollm2.hf_model(ids, output_hidden_states=True)
    assert (states.logits(30) - output.logits[0]).abs().max() < 1e-5
    assert torch.allclose(states.norms[12], output.hidden_states[12][0].norm(dim=-1), rtol=1e-4)
    frame = states.frame()
    last = frame[(frame.position == len(states.tokens) - 1) & (frame.after == 30)].iloc[0]
    assert last["top"] == states.trace.next_tokens[0][0]
    assert last["probability"] == pytest.approx(states.trace.next_tokens[0][2], abs=1e-5)


@pytest.mark.parametrize(("name", "parts"), [("t5", {"embedding", "head", "mlp"}), ("bart", {"embedding", "block"})])
def test_the_decoder_of_an_encoder_decoder_has_states_and_shares(name, parts):
    model, target = attnscope.Model(tiny_models.build(name)), tiny_models.ids(7)
    states = model.states(IDS, ANSWER, target=target)
    with torch.no_grad():
        output = model.hf_model(torch.tensor([IDS]), decoder_input_ids=torch.tensor([target]))
    assert states.stack == "decoder" and len(states.tokens) == 7
    assert (states.logits(states.layers) - output.logits[0]).abs().max() < 1e-6
    shares = states.contributions
    assert shares.total == pytest.approx(float(output.logits[0, -1, ANSWER]), abs=1e-6)
    assert abs(shares.remainder) < 1e-5 and {one.kind for one in shares.shares} == parts


def test_states_of_an_edited_pass_are_those_of_the_edited_model():
    model = model_of("llama")
    vector = [0.5] * 32
    made = [edits.ScaleHead(1, 2, 0.0), edits.AddVector(1, 11, vector)]
    states = model.states(IDS, ANSWER, edits=made)
    heads = states.contributions
    assert next(one.value for one in heads.of("head") if (one.layer, one.head) == (1, 2)) == 0
    assert [one.layer for one in heads.of("edit")] == [1]

    def ablate(_module, args):
        changed = args[0].clone()
        changed[..., 16:24] = 0
        return (changed,)

    def add(_module, _args, output):
        output[:, 11] += torch.tensor(vector)
        return output

    layer = model.hf_model.model.layers[1]
    hooks = [layer.self_attn.o_proj.register_forward_pre_hook(ablate), layer.register_forward_hook(add)]
    expected = logits(model)
    for hook in hooks:
        hook.remove()
    assert heads.total == pytest.approx(float(expected[-1, ANSWER]), abs=1e-5) and abs(heads.remainder) < 1e-5
    assert (states.logits(3) - expected).abs().max() < 1e-5
    with pytest.raises(InputError, match="Pass the text"):
        model.patch(states.trace, IDS)


def test_a_model_that_predicts_no_tokens_has_norms_and_a_note():
    config = tf.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, image_size=16, patch_size=8
    )
    torch.manual_seed(0)
    model = attnscope.Model(tf.ViTForImageClassification(config).eval())
    states = model.states({"pixel_values": torch.zeros(1, 3, 16, 16)})
    assert states.norms.shape == (3, 5) and not states.predicts
    assert len(states.notes) == 1 and "predicts no tokens" in states.notes[0]
    with pytest.raises(UnsupportedError, match="predicts no tokens"):
        states.lens()
