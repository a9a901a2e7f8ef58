"""The whole prediction at a position of a trace, and two of them side by side, compared with the softmax of the logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.edits import ScaleHead
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.effects.prediction_change import PredictionChange

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(8)


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())


def labels_model(kind, **config) -> attnscope.Model:
    torch.manual_seed(0)
    common = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    return attnscope.Model(kind(tf.BertConfig(**common, intermediate_size=32, **config)).eval())


def test_a_decoder_predicts_at_the_last_position_or_at_any_other(llama):
    trace = llama.trace(PROMPT)
    for position, at in ((None, 7), (3, 3)):
        found = llama.prediction(trace, position)
        wanted = trace.logits[at].double()
        assert (found.of, found.position, found.problem) == ("token", at, "one")
        torch.testing.assert_close(found.logits, wanted, atol=1e-6, rtol=0)
        torch.testing.assert_close(found.probabilities, wanted.softmax(-1), atol=1e-6, rtol=0)
        order = wanted.argsort(descending=True).tolist()
        assert found.top(4) == order[:4]
        assert [found.rank(one) for one in order[:3]] == [1, 2, 3]
    with pytest.raises(InputError):
        llama.prediction(trace, 8)


def test_only_the_logits_of_the_position_are_computed(llama, monkeypatch):
    trace = llama.trace(PROMPT)
    shapes = []
    forward = torch.nn.Linear.forward

    def counting(self, states):
        if self.out_features == tiny_models.VOCABULARY:
            shapes.append(states.shape[1])
        return forward(self, states)

    monkeypatch.setattr(torch.nn.Linear, "forward", counting)
    llama.prediction(trace, 2)
    assert shapes == [2]  # the position, and the last one, which is compared


def test_a_masked_language_model_predicts_at_its_first_mask(llama):
    tokenizer = tiny_models.words_tokenizer()
    model = attnscope.Model(tiny_models.build("bert"), tokenizer)
    trace = model.trace("a [MASK] b [MASK]")
    masked = [i for i, token in enumerate(trace.tokens) if token.id == tokenizer.mask_token_id]
    assert len(masked) == 2
    found = model.prediction(trace)
    assert found.position == masked[0]
    torch.testing.assert_close(found.logits, trace.logits[masked[0]].double())
    with pytest.raises(InputError, match="0 mask tokens"):
        model.prediction(model.trace("a b"))


def test_an_encoder_decoder_predicts_after_its_target():
    model = attnscope.Model(tiny_models.build("t5"))
    trace = model.trace(PROMPT, target=tiny_models.ids(4))
    found = model.prediction(trace)
    assert found.position == len(trace.sides["target"]) - 1
    torch.testing.assert_close(found.logits, trace.logits[-1].double())


def test_labels_have_the_probabilities_of_their_kind():
    names = {0: "sad", 1: "glad", 2: "mad"}
    one = labels_model(tf.BertForSequenceClassification, num_labels=3, id2label=names)
    trace = one.trace(PROMPT)
    found = one.prediction(trace)
    assert (found.of, found.position, [found.read(i) for i in range(3)]) == ("label", None, ["sad", "glad", "mad"])
    torch.testing.assert_close(found.probabilities, trace.logits.double().softmax(-1))
    assert found.find("mad", "answer").id == found.find([2], "answer").id == 2
    with pytest.raises(InputError, match=r"is not a label of this model\. Its labels are 'sad', 'glad', 'mad'"):
        found.find("bad", "answer")
    several = labels_model(tf.BertForSequenceClassification, num_labels=3, problem_type="multi_label_classification")
    trace = several.trace(PROMPT)
    change = PredictionChange(several.prediction(trace), several.prediction(trace))
    torch.testing.assert_close(change.after.probabilities, trace.logits.double().sigmoid())
    assert change.moved is None and change.measurement(None, None, None).name == "logit"
    with pytest.raises(InputError, match="exclude each other"):
        change.measurement("probability", 0, 1)
    number = labels_model(tf.BertForSequenceClassification, num_labels=1)
    found = number.prediction(number.trace(PROMPT))
    assert found.probabilities is None and found.problem == "number"
    tokens = labels_model(tf.BertForTokenClassification, num_labels=3)
    trace = tokens.trace(PROMPT)
    assert tokens.prediction(trace, 4).of == "token_label"
    torch.testing.assert_close(tokens.prediction(trace, 4).logits, trace.logits[4].double())


def test_a_model_without_a_head_predicts_nothing():
    model = labels_model(tf.BertModel)
    with pytest.raises(UnsupportedError, match="predicts no token and no label"):
        model.prediction(model.trace(PROMPT), 0)


def test_the_distance_of_two_predictions_is_half_the_sum_of_all_changes(llama):
    before, after = llama.trace(PROMPT), llama.trace(PROMPT, edits=[ScaleHead(1, 2, 0.0), ScaleHead(2, 0, 3.0)])
    change = PredictionChange(llama.prediction(before), llama.prediction(after))
    first, second = (trace.logits[-1].double().softmax(-1).tolist() for trace in (before, after))
    assert change.moved == pytest.approx(sum(abs(b - a) for a, b in zip(first, second, strict=True)) / 2, abs=1e-6)
    assert change.likely(2) == sorted(
        {*before.logits[-1].topk(2).indices.tolist(), *after.logits[-1].topk(2).indices.tolist()},
        key=lambda one: -float(after.logits[-1][one]),
    )
    same = PredictionChange(change.before, change.before)
    assert same.moved == 0


@pytest.mark.parametrize("name", ["logit", "probability", "log_probability", "ratio"])
def test_metrics_of_one_token_are_those_of_an_effect(llama, name):
    edits = [ScaleHead(1, 2, 0.0)]
    before, after = llama.trace(PROMPT), llama.trace(PROMPT, edits=edits)
    change = PredictionChange(llama.prediction(before), llama.prediction(after))
    wanted = llama.effect(PROMPT, edits, name, answer=5, foil=6)
    found = change.measured(change.measurement(name, 5, 6))
    assert found == pytest.approx((wanted.before, wanted.after), abs=1e-6)
    assert abs(found[1] - wanted.after) <= 4 * change.rounding(change.measurement(name, 5, 6), found)


def test_predictions_of_other_vocabularies_are_not_compared(llama):
    small = tf.AutoModelForCausalLM.from_config(tf.GPT2Config(vocab_size=98, n_embd=32, n_layer=1, n_head=4)).eval()
    other = attnscope.Model(small, tiny_models.words_tokenizer())
    with pytest.raises(InputError, match="one of 98 tokens and the current pass one of 99"):
        PredictionChange(other.prediction(other.trace(PROMPT)), llama.prediction(llama.trace(PROMPT)))
    bert = labels_model(tf.BertForSequenceClassification, num_labels=3)
    with pytest.raises(InputError, match="predicts a label and the current pass a token"):
        PredictionChange(bert.prediction(bert.trace(PROMPT)), llama.prediction(llama.trace(PROMPT)))
    here = llama.prediction(llama.trace(PROMPT))
    with pytest.raises(InputError, match="Compare models with the same vocabulary"):
        PredictionChange(replace(here, read=lambda ident: f"other {ident}"), here)
